#!/bin/sh
# Whether nginx runs, found out with next to no work: this is done every second, and an emulated machine feels each process.
read -r pid </run/nginx.pid && kill -0 "$pid"
