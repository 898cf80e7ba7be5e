#!/usr/bin/env python3
"""Reads the structs of the C border, so that no list of their fields is kept by hand.

usage: border_headers.py fields HEADER... > fields.inc       STRUCT(type) and FIELD(type, field) lines, in their order
       border_headers.py fewer|more INCLUDE OUT               a copy of INCLUDE/kvasir as another version would have it

  fewer   the fields that a plugin may do without are not there yet
  more    every struct that may grow has one more field at its end, `added` (uint64_t)
"""
import os
import re
import sys

STRUCT = re.compile(r"typedef struct (\w+) \{\n(.*?)\n\} \1;", re.DOTALL)
OPTIONAL = {"kv_call": ["message", "message_bytes", "extents", "services"], "kv_host": ["reserved"]}


def field_names(body):
    """Names of the fields in a struct's body, in their order."""
    body = re.sub(r"/\*.*?\*/", " ", body, flags=re.DOTALL)
    names = []
    for declaration in filter(None, (part.strip() for part in body.split(";"))):
        function = re.match(r"\w+ \(\*(\w+)\)\(", declaration)
        if function:
            names.append(function.group(1))
            continue
        for declarator in declaration.split(","):
            name = re.search(r"(\w+)(\[\w+\])?$", declarator.strip())
            if not name:
                sys.exit(f"border_headers.py: '{declaration}' declares no field that I can read")
            names.append(name.group(1))
    return names


def print_fields(headers):
    for path in headers:
        with open(path, encoding="utf-8") as header:
            text = header.read()
        structs = STRUCT.findall(text)
        if len(structs) != len(re.findall(r"^typedef struct \w+ \{", text, re.MULTILINE)):
            sys.exit(f"border_headers.py: {path} has a struct that I can't read")
        for name, body in structs:
            print(f"STRUCT({name})")
            for field in field_names(body):
                print(f"FIELD({name}, {field})")


def may_grow(body):
    return field_names(body)[0] == "size"


def grown(match):
    name, body = match.groups()
    return f"typedef struct {name} {{\n{body}\n{'  uint64_t added;' if may_grow(body) else ''}\n}} {name};"


def shrunk(match):
    name, body = match.groups()
    for field in OPTIONAL.get(name, []):
        body, count = re.subn(rf"^  [\w *]+[ *]{field}; *(/\*.*?\*/)?$", "", body, flags=re.MULTILINE | re.DOTALL)
        if count != 1:
            sys.exit(f"border_headers.py: {name} has no line for {field} alone")
    return f"typedef struct {name} {{\n{body}\n}} {name};"


def write_version(change, include, out):
    os.makedirs(f"{out}/kvasir", exist_ok=True)
    for header in ("plugin.h", "manifest.h"):
        with open(f"{include}/kvasir/{header}", encoding="utf-8") as file:
            text = STRUCT.sub(change, file.read())
        with open(f"{out}/kvasir/{header}", "w", encoding="utf-8") as file:
            file.write(text)


def main(command, *arguments):
    if command == "fields":
        print_fields(arguments)
    else:
        write_version({"fewer": shrunk, "more": grown}[command], *arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
