"""A copier of the old kind: FETCH one message, APPEND it with a synchronising literal, wait, take the next.

    serial.py SRC-PORT DST-PORT USER PASSWORD

It stands for the many tools that work like this, without their other costs.
"""
import imaplib
import re
import sys

imaplib._MAXLINE = 100_000_000
ITEMS = re.compile(rb'FLAGS \(([^)]*)\).*INTERNALDATE ("[^"]+")|INTERNALDATE ("[^"]+").*FLAGS \(([^)]*)\)')


def main():
    src_port, dst_port = map(int, sys.argv[1:3])
    src, dst = imaplib.IMAP4("127.0.0.1", src_port), imaplib.IMAP4("127.0.0.1", dst_port)
    for conn in (src, dst):
        conn.login(*sys.argv[3:5])
    for line in src.list()[1]:
        if b"\\Noselect" in line:
            continue
        name = line[line.index(b') "/" ') + 6:]
        dst.create(name)
        src.select(name, readonly=True)
        uids = src.uid("SEARCH", "ALL")[1][0].split()
        for uid in uids:
            (head, body), *_ = src.uid("FETCH", uid, "(FLAGS INTERNALDATE BODY.PEEK[])")[1]
            match = ITEMS.search(head)
            flags = (match.group(1) or match.group(4) or b"").replace(b"\\Recent", b"").decode()
            dst.append(name, "(%s)" % flags, (match.group(2) or match.group(3)).decode(), body)


main()
