#!/bin/sh
# Records what ansible-playbook does with each playbook here: what the hosts note, and the recap.
# Needs ansible-core in PATH; `tests/language.rs` holds lvsmith against the records.
set -eu
cd "$(dirname "$0")"
ANSIBLE_PYTHON_INTERPRETER=${ANSIBLE_PYTHON_INTERPRETER:-/usr/bin/python3}
export ANSIBLE_PYTHON_INTERPRETER
export ANSIBLE_NOCOLOR=1 ANSIBLE_RETRY_FILES_ENABLED=0 ANSIBLE_DEPRECATION_WARNINGS=0 ANSIBLE_ROLES_PATH=roles
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT
for playbook in ${*:-*.yml}; do
    name=${playbook%.yml}
    [ "$name" = inventory ] && continue
    rm -rf "$log"/*
    code=0
    # shellcheck disable=SC2046
    ansible-playbook -i inventory.yml -e "log=$log" $(cat "$name.args" 2>/dev/null) "$playbook" \
        > "$log.out" 2>&1 || code=$?
    {
        for host in a b c; do
            [ ! -f "$log/$host" ] || sed "s/^/$host: /" "$log/$host"
        done
        grep -E '^[abc] +: ok=' "$log.out" | tr -s ' ' || true
        echo "exit $code"
    } > "$name.expected"
    rm -f "$log.out"
done
ansible-playbook --version | sed -n "1s,.*core \(.*\)].*,\1,p" > version
