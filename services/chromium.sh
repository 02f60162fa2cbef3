#!/bin/sh
# Puts Debian's Chromium, which opens the HTML report in the services test, on this machine unless it is there.
set -eu
[ -x /usr/bin/chromium ] && exit 0
become=
[ "$(id -u)" = 0 ] || become=sudo
$become apt-get update -qq
DEBIAN_FRONTEND=noninteractive $become apt-get install -y -qq --no-install-recommends chromium
