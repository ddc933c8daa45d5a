"""The least that a warm Python process can do: read a frame (docs/PROTOCOL.md), write it back.

    python3 -I -S echo.py SOCKET      the listening socket is inherited as descriptor 0
"""

import os
import socket

connection = socket.socket(fileno=0).accept()[0]
fd = connection.fileno()
while True:
    data = os.read(fd, 16384)
    if not data:
        break
    missing = 8 + int.from_bytes(data[:4], "little") - len(data)
    while missing > 0:
        more = os.read(fd, missing)
        data += more
        missing -= len(more)
    os.write(fd, data)
