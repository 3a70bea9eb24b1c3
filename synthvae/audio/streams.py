"""Audio streams for libsndfile: seekable, with headers corrected to state the length."""

from __future__ import annotations

import logging
import os
import struct
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

from synthvae.core.errors import UserError

__all__ = ["SoundStream", "seekable"]

_log = logging.getLogger(__name__)

#: Bytes of a pipe that are read.
MOST_PIPED = 2**30
#: kbit/s of layer III by the index in a frame's header, of MPEG-1 and of MPEG-2 and 2.5.
_BITRATES = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
#: A bitrate whose frames have room for a Xing header.
_ROOMY = 9
#: Bytes of a FLAC frame at most: 65,535 samples of eight channels and 32 bits.
_LARGEST_FRAME = 2**21 + 2**10


class SoundStream:
    """An audio file for libsndfile that raises no errors and has the length given in its header.

    The header of a WAV may give 0 bytes, for instance from a recorder that was switched off; an MP3 of variable bit
    rate may lack its length, which is then guessed from its first frame; a FLAC file that was written to a pipe lacks
    it too. All are read to the end of the file.

    Args:
        file: seekable file.
        source: its name, for the log.
    """

    def __init__(self, file: BinaryIO, source: str) -> None:
        self._file = file
        self.name = getattr(file, "name", source)  # whose ending says that samples have no header
        self._length = file.seek(0, os.SEEK_END)
        #: Bytes in place of those of the file, by their place in it: replaced, or inserted before it.
        self._replaced: dict[int, bytes] = {}
        self._inserted: tuple[int, bytes] = (0, b"")
        self._at = 0
        head = self._bytes(0, 12)
        if head[:4] == b"RIFF" and head[8:] == b"WAVE":
            self._repair_wav(source)
        elif head[:3] == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2):
            self._repair_mp3()
        elif head[:4] == b"fLaC" and not head[4] & 0x7F:
            self._repair_flac()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Seek to a position; one before the start, from a damaged header, becomes the start."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length + len(self._inserted[1])}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """Current position."""
        return self._at

    def readinto(self, buffer: memoryview) -> int:
        """Read into a buffer."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int) -> bytes:
        """Read at most so many bytes."""
        place, new = self._inserted
        behind = place + len(new)
        end = min(self._at + size, self._length + len(new))
        parts = [
            self._own(self._at, min(end, place)),
            new[max(0, self._at - place) : max(0, end - place)],
            self._own(max(self._at, behind) - len(new), end - len(new)),
        ]
        data = b"".join(parts)
        self._at += len(data)
        return data

    def _bytes(self, first: int, count: int) -> bytes:
        self._file.seek(first)
        return self._file.read(count)

    def _own(self, first: int, last: int) -> bytes:
        """Bytes of the file, with the replacements applied."""
        if first >= last:
            return b""
        data = bytearray(self._bytes(first, last - first))
        for place, new in self._replaced.items():
            for number, value in enumerate(new):
                if first <= place + number < first + len(data):
                    data[place + number - first] = value
        return bytes(data)

    def _repair_wav(self, source: str) -> None:
        place = 12
        while place + 8 <= self._length:
            kind, size = struct.unpack("<4sI", self._bytes(place, 8))
            if kind == b"data":
                if size == 0 and place + 8 < self._length and not self._are_chunks(place + 8):
                    left = self._length - place - 8
                    self._replaced = {4: struct.pack("<I", self._length - 8), place + 4: struct.pack("<I", left)}
                    _log.warning("%s: its header says 0 bytes of sound, and %s are read", source, f"{left:,}")
                return
            place += 8 + size + size % 2

    def _are_chunks(self, place: int) -> bool:
        """Whether whole chunks, and nothing else, lie between a place and the end."""
        while place + 8 <= self._length:
            kind, size = struct.unpack("<4sI", self._bytes(place, 8))
            if not kind.isascii() or not kind.decode().isprintable():
                return False
            place += 8 + size + size % 2
        return place in (self._length, self._length + 1)

    def _repair_mp3(self) -> None:
        """Insert a Xing header with the number of frames where their bit rates differ and there is none."""
        frames = self._frames()
        place, header = next(frames, (0, b""))
        if not header:
            return
        first = self._bytes(place, 256)
        if any(mark in first for mark in (b"Xing", b"Info", b"VBRI")):
            return
        rates, count = {header[2] >> 4}, 1
        for _, other in frames:
            rates.add(other[2] >> 4)
            count += 1
        if len(rates) == 1:
            return
        mpeg1 = (header[1] >> 3) & 3 == 3
        mono = header[3] >> 6 == 3
        side = (17 if mono else 32) if mpeg1 else (9 if mono else 17)
        own = bytes([header[0], header[1] | 1, (_ROOMY << 4) | (header[2] & 0x0C), header[3]])
        frame = bytearray(_frame_length(own))
        frame[:4] = own
        frame[4 + side : 16 + side] = struct.pack(">4sII", b"Xing", 1, count)
        self._inserted = place, bytes(frame)

    def _repair_flac(self) -> None:
        """Where the header has no number of samples, write the one that follows from the last frame.

        RFC 9639: metadata block STREAMINFO (8.2) and frame headers (9.1), which begin with a sync code and end with a
        checksum.
        """
        info = self._bytes(8, 34)
        if len(info) < 34 or int.from_bytes(info[13:18], "big") & (2**36 - 1):
            return
        usual, largest = int.from_bytes(info[:2], "big"), int.from_bytes(info[7:10], "big") or _LARGEST_FRAME
        start = max(42, self._length - largest - 16)
        tail = self._bytes(start, self._length - start)
        for place in range(len(tail) - 6, -1, -1):
            if tail[place] == 0xFF and tail[place + 1] & 0xFE == 0xF8:
                last = _samples_until(tail[place : place + 16], usual)
                if last:
                    bits = int.from_bytes(info[13:18], "big") | last
                    self._replaced = {21: bits.to_bytes(5, "big")}
                    return

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        """The place and the header of each frame of layer III."""
        place = 0
        if self._bytes(0, 3) == b"ID3":
            size = self._bytes(6, 4)
            place = 10 + sum((byte & 0x7F) << (7 * (3 - number)) for number, byte in enumerate(size))
        while len(header := self._bytes(place, 4)) == 4 and (length := _frame_length(header)):
            yield place, header
            place += length


def _samples_until(header: bytes, usual: int) -> int:
    """Samples from the start of a FLAC file to the end of the frame with a header; 0 where it is none.

    Args:
        header: first 16 bytes of the frame.
        usual: number of samples per frame, where all frames but the last have the same.
    """
    size, rate, ones = header[2] >> 4, header[2] & 15, 8 - (header[4] ^ 0xFF).bit_length()
    more = max(0, ones - 1)
    end = 5 + more + {6: 1, 7: 2}.get(size, 0) + {12: 1, 13: 2, 14: 2}.get(rate, 0)
    if len(header) <= end or size == 0 or rate == 15 or ones in (1, 8) or _crc8(header[:end]) != header[end]:
        return 0
    number = header[4] & (0x7F >> ones)
    for byte in header[5 : 5 + more]:
        number = (number << 6) | (byte & 0x3F)
    at = 5 + more
    if size in (6, 7):
        samples = 1 + int.from_bytes(header[at : at + size - 5], "big")
    else:
        samples = 192 if size == 1 else 576 << (size - 2) if size < 6 else 256 << (size - 8)
    return (number if header[1] & 1 else number * usual) + samples


def _crc8(data: bytes) -> int:
    """The checksum of a FLAC frame's header, of the polynomial x^8 + x^2 + x + 1."""
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value << 1 ^ (0x107 if value & 0x80 else 0)) & 0xFF
    return value


def _frame_length(header: bytes) -> int:
    """Length in bytes of a frame of MPEG layer III; 0 if invalid."""
    version, bitrate, rate = (header[1] >> 3) & 3, header[2] >> 4, (header[2] >> 2) & 3
    if header[0] != 0xFF or header[1] & 0xE6 != 0xE2 or version == 1 or bitrate in (0, 15) or rate == 3:
        return 0
    bits = 1000 * _BITRATES[version == 3][bitrate]
    return (144 if version == 3 else 72) * bits // _RATES[version][rate] + ((header[2] >> 1) & 1)


def seekable(file: BinaryIO, source: str) -> BinaryIO:
    """A seekable file: the file itself, or a temporary copy of a pipe's contents.

    Raises:
        UserError: for a pipe of more than a gigabyte.
    """
    if file.seekable():
        return file
    held = tempfile.TemporaryFile()  # noqa: SIM115 - handed on
    with file:
        while part := file.read(2**20):
            held.write(part)
            if held.tell() > MOST_PIPED:
                raise UserError(source, source, "write it to a file", f"more than {MOST_PIPED:,} bytes of a pipe")
    held.seek(0)
    return held
