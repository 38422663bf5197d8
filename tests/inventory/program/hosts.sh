#!/bin/sh
case $1 in
--list) echo '{"web": {"hosts": ["rs1", "rs2"]}}' ;;
--host) case $2 in rs1) echo '{"weight": 2}' ;; esac ;;
esac
