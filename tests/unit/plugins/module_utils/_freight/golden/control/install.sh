#!/bin/sh
echo "installed: $*"
