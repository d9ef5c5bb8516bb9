#!/bin/sh
# Called with: INSTANCE|GROUP name state priority
echo "$(date +%T) $*" >>"$(dirname "$0")/notify.log"
