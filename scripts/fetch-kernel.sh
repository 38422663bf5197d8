#!/bin/sh
# Puts a stock Debian kernel into lvsmith's cache, for the micro-VM. Nothing is installed.
#
#   scripts/fetch-kernel.sh             the kernel that linux-image-amd64 stands for today, which
#                                       is the one that is booted where none is named
#   scripts/fetch-kernel.sh PACKAGE     that package, e.g. linux-image-6.12.57+deb12-amd64
#   scripts/fetch-kernel.sh 6.12        the newest one whose version begins so, of any Debian:
#                                       stable, backports or unstable (`newest` for the newest)
#
# What apt downloads it checks against Debian's signatures. A version is looked for with a
# configuration of apt's own below the cache; the machine's sources are neither used nor changed.
#
# The kernel ends up in ${XDG_CACHE_HOME:-~/.cache}/lvsmith/kernels/RELEASE. Running it again
# costs nothing.
set -eu

# depmod lives where an ordinary user does not look.
PATH="$PATH:/usr/sbin:/sbin"

cache="${XDG_CACHE_HOME:-$HOME/.cache}/lvsmith/kernels"
meta="linux-image-amd64"

fail() {
    echo "fetch-kernel: $1" >&2
    exit 6
}

for program in apt-get apt-cache dpkg depmod; do
    command -v "$program" >/dev/null || fail "\`$program\` is missing (Debian packages: apt dpkg kmod)"
done

# What a metapackage stands for: its first dependency that is a kernel itself.
resolve() {
    apt-cache depends --no-recommends --no-suggests "$1" 2>/dev/null |
        sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1
}

update() {
    [ "$(id -u)" = 0 ] || return 1
    apt-get update -qq >/dev/null 2>&1
}

# From here on apt knows all of Debian's suites, and nothing of this machine's sources.
every_suite() {
    keys=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -e "$keys" ] || fail "\`$keys\` is missing (Debian package: debian-archive-keyring)"
    apt="$cache/.apt"
    mkdir -p "$apt/lists/partial" "$apt/archives/partial"
    for suite in bookworm bookworm-backports trixie trixie-backports sid; do
        echo "deb [signed-by=$keys] ${LVSMITH_DEBIAN:-http://deb.debian.org/debian} $suite main"
    done >"$apt/sources.list"
    cat >"$apt/apt.conf" <<end
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$apt/lists";
Dir::Cache "$apt";
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
end
    export APT_CONFIG="$apt/apt.conf"
    apt-get -qq update >"$apt/log" 2>&1 ||
        fail "failed to read Debian's lists: $(grep -m 1 '^[EW]:' "$apt/log" || echo 'apt-get gave no reason')"
}

# The newest kernel whose version begins with the words of a version: 6.1 is not 6.12.
newest() {
    apt-cache pkgnames linux-image- | sed -n 's/^linux-image-\([0-9][0-9.]*[-+a-z0-9.]*-amd64\)$/\1/p' |
        grep -v -e cloud -e -rt- -e '~' | case "$1" in
        newest) cat ;;
        *) grep -e "^$(echo "$1" | sed 's/[.]/[.]/g')[-+.]" ;;
        esac | sort -V | tail -n 1
}

package="${1:-$meta}"
named=$([ "$#" = 0 ] && echo no || echo yes)
case "$package" in
newest | [0-9]*)
    for have in "$cache/$package"[-+.]*/lib/modules/*/modules.dep; do
        [ -e "$have" ] || continue
        echo "kernel: $(basename "$(dirname "$have")") is in $cache"
        exit 0
    done
    every_suite
    found=$(newest "$package")
    [ -n "$found" ] || fail "no suite of Debian has a kernel \`$package\` today"
    package="linux-image-$found"
    ;;
linux-image-[0-9]*) ;;
*)
    concrete=$(resolve "$package")
    if [ -z "$concrete" ] && update; then concrete=$(resolve "$package"); fi
    if [ -z "$concrete" ]; then
        # Without a package list an older kernel in the cache still serves, if none was named.
        for have in "$cache"/*/lib/modules/*/modules.dep; do
            [ "$#" = 0 ] && [ -e "$have" ] || continue
            echo "kernel: apt knows no \`$package\`; keeping what is in $cache"
            exit 0
        done
        fail "apt knows no package \`$package\`: run apt-get update, or add a Debian source"
    fi
    package="$concrete"
    ;;
esac

release="${package#linux-image-}"
folder="$cache/$release"
usual() {
    [ "$named" = yes ] || ln -sfn "$release" "$cache/default"
}
if [ -e "$folder/lib/modules/$release/modules.dep" ]; then
    usual
    echo "kernel: $release is in $folder"
    exit 0
fi

mkdir -p "$cache"
partial="$cache/.partial-$release"
rm -rf "$partial"
mkdir "$partial"
trap 'rm -rf "$partial"' EXIT
trap 'exit 130' INT TERM HUP

# From Linux 7 on Debian splits a kernel into several packages, each named by the release.
parts() {
    echo "$package"
    apt-cache depends --no-recommends --no-suggests "$package" 2>/dev/null |
        sed -n 's/^ *Depends: \(linux-[a-z]*-[0-9].*\)$/\1/p' |
        while read -r part; do
            case "$part" in linux-*-"$release") echo "$part" ;; esac
        done
}

# The sandbox user of apt could not write into a home folder. A package name holds no blanks.
download() {
    # shellcheck disable=SC2046
    (cd "$partial" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download $(parts) >/dev/null 2>"$partial/log")
}
download || { update && download; } ||
    fail "failed to download \`$package\`: $(grep -m 1 '^E:' "$partial/log" || echo 'apt-get gave no reason')"

for deb in "$partial"/*.deb; do
    dpkg -x "$deb" "$partial/root"
    rm -f "$deb"
done
rm -f "$partial/log"
# Debian 13 ships the modules in /usr/lib, Debian 12 in /lib; depmod of either looks in its own.
if [ -d "$partial/root/usr/lib/modules" ]; then
    mkdir -p "$partial/root/lib"
    mv "$partial/root/usr/lib/modules" "$partial/root/lib/modules"
fi
# The split packages keep the image among the modules.
inside="$partial/root/lib/modules/$release/vmlinuz"
if [ -e "$inside" ]; then
    mkdir -p "$partial/root/boot"
    mv "$inside" "$partial/root/boot/vmlinuz-$release"
fi
if [ ! -e "$partial/root/boot/vmlinuz-$release" ] || [ ! -d "$partial/root/lib/modules/$release" ]; then
    fail "\`$package\` holds no kernel $release"
fi
rm -rf "$partial/root/usr"
mkdir "$partial/root/usr"
ln -s ../lib "$partial/root/usr/lib"
depmod -b "$partial/root" "$release"
rm -rf "$folder"
mv "$partial/root" "$folder"
usual
echo "kernel: fetched $release into $folder"
