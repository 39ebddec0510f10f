# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait inside a host for a moment that cannot be hit from outside, do harm, and leave a file that says so.

fault.py MARKER SECONDS kill-loading       kill dockerd without notice as soon as it takes an image in
fault.py MARKER SECONDS flip FILE          change a byte of a file as soon as it has this name
fault.py MARKER SECONDS fill FOLDER        fill the folder's file system as soon as another rsync than before writes there
"""

import errno
import glob
import os
import signal
import sys
import time


def loading():
    return bool(glob.glob("/var/lib/docker/tmp/docker-import-*/*") or glob.glob("/var/lib/docker/*/tmp/docker-import-*/*"))


def running(program):
    found = set()
    for process in glob.glob("/proc/[0-9]*"):
        try:
            with open(process + "/comm", encoding="utf-8", errors="replace") as stream:
                if stream.read().strip() == program:
                    found.add(int(process.rpartition("/")[2]))
        except OSError:
            continue
    return found


def kill():
    for process in running("dockerd"):
        os.kill(process, signal.SIGKILL)


def arriving(folder):
    """Whether a transfer that began since writes; one that was cut off may linger."""
    before, sizes = running("rsync"), []

    def come():
        if not sizes and not running("rsync") - before:
            return False
        sizes.append(held(folder))
        return sizes[-1] != sizes[0]

    return come


def held(folder):
    sizes = 0
    for place, _folders, names in os.walk(folder):
        for name in names:
            try:
                sizes += os.stat(os.path.join(place, name)).st_size
            except FileNotFoundError:
                continue
    return sizes


def flip(path):
    with open(path, "r+b") as stream:
        stream.seek(os.stat(path).st_size // 2)
        byte = stream.read(1)
        stream.seek(-1, os.SEEK_CUR)
        stream.write(bytes([byte[0] ^ 1]))


def fill(folder):
    with open(os.path.join(folder, "filler"), "wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(65536))
        except OSError as exc:
            if exc.errno != errno.ENOSPC:
                raise


def main(marker, seconds, kind, path=""):
    come, harm = {
        "kill-loading": lambda: (loading, kill),
        "flip": lambda: (lambda: os.path.exists(path), lambda: flip(path)),
        "fill": lambda: (arriving(path), lambda: fill(path)),
    }[kind]()
    end = time.monotonic() + float(seconds)
    while not come():
        if time.monotonic() > end:
            sys.exit("the moment never came")
        time.sleep(0.002)
    harm()
    with open(marker, "w", encoding="ascii") as stream:
        stream.write(kind + "\n")


main(*sys.argv[1:])
