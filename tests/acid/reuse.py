"""A compiler launcher for a copy of the tree: takes the tree's object where it would come out the same.

usage: reuse.py known ROOT KNOWN.json               writes what ROOT's release build knows of its objects
       reuse.py as ROOT COPY KNOWN.json COMMAND...  runs COMMAND, a compiler's, unless ROOT has made its object already

It has if its command is the same, and the files that it was made of have the same bytes and are not newer than it. Paths of
COPY stand for those of ROOT; an object that is given one by -D is compiled. Precompiled headers do not count as part of a
command: they change no object. What is compiled is not optimised, since it runs once; so are COPY's precompiled headers,
which have to be of the same kind.
"""
import filecmp
import json
import os
import shlex
import shutil
import subprocess
import sys

BUILD = "build/release"


def essence(command):
    """The words of a command that an object depends on; those for a precompiled header and a list of includes are left out."""
    words, kept = list(command), []
    while words:
        word = words.pop(0)
        if word in ("-MF", "-MT", "-Xclang"):
            words.pop(0)
        elif word not in ("-MD", "-Winvalid-pch", "-fpch-instantiate-templates"):
            kept.append(word)
    return kept


def known_objects(root):
    """By object: its command, and the files in ROOT that it was made of, by ninja's log."""
    build = os.path.join(root, BUILD)
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        commands = {words[words.index("-o") + 1]: words for words in (shlex.split(entry["command"]) for entry in json.load(file))}
    listed = subprocess.run(["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True, check=True).stdout
    known = {}
    for block in listed.split("\n\n"):
        head, *lines = block.split("\n")
        output = head.split(": #deps")[0]
        if "(VALID)" in head and output in commands:
            paths = (os.path.normpath(os.path.join(build, line.strip())) for line in lines if line.strip())
            files = [path for path in paths if path.startswith(root + "/")]
            compiler = next(i for i, word in enumerate(commands[output]) if "clang" in os.path.basename(word))
            known[output] = {"command": essence(commands[output][compiler:]), "files": files}
    return known


def takes(root, copy, known, command, output):
    """Copies ROOT's object if it is the same, with the list of files that ninja asks for."""
    twin = os.path.join(root, BUILD, output)
    entry = known.get(output)
    if output.endswith(".pch") or any(word.startswith("-D") and copy in word for word in command):
        return False
    if not entry or not os.path.exists(twin) or essence(w.replace(copy, root) for w in command) != entry["command"]:
        return False
    made = os.stat(twin).st_mtime
    own = [path.replace(root, copy, 1) for path in entry["files"]]
    if any(os.stat(path).st_mtime > made for path in entry["files"]):
        return False
    if not all(os.path.exists(path) and filecmp.cmp(path, twin_path, shallow=False)
               for path, twin_path in zip(own, entry["files"])):
        return False
    shutil.copyfile(twin, output)
    with open(command[command.index("-MF") + 1], "w", encoding="utf-8") as file:
        file.write(output + ": " + " ".join(path.replace(" ", "\\ ") for path in own) + "\n")
    return True


def main(what, root, *rest):
    if what == "known":
        with open(rest[0], "w", encoding="utf-8") as file:
            json.dump(known_objects(root), file)
        return
    copy, path, *command = rest
    with open(path, encoding="utf-8") as file:
        known = json.load(file)
    output = command[command.index("-o") + 1]
    if not ("-MF" in command and takes(root, copy, known, command, output)):
        os.execvp(command[0], command + ["-O0"])


main(*sys.argv[1:])
