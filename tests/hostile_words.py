"""Texts that mean something to a shell, a filter graph, a packager, a file system or a browser."""

from __future__ import annotations

SHELL = (
    "$(touch /tmp/owned)", "`touch owned`", "${HOME}", "$HOME", "; touch owned", "| touch owned",
    "&& touch owned", "|| true", "> owned", "< /etc/passwd", "a & b", "'; touch owned; '",
    '"; touch owned; "', "\\", "\\\\", "\\'", '\\"', "!!", "*", "?", "[a-z]", "{a,b}", "~", "~root",
    "~/x", "#", "a#b", "%PATH%", "^", "a\\ b", "$((1+1))", "$'\\n'", "<(id)", ">(id)", "a'b", 'a"b',
)  # fmt: skip
FILTERS = (
    ":", "'", "\\,", ";", "[0:v]", "[out]", ",scale=2:2", ";movie=/etc/passwd", "a:b=c", "a=b",
    "':x='", "[in]null[out]", ",drawtext=textfile=/etc/passwd", "movie='/etc/passwd'",
    "\\\\:", "split=9", "]", "[", "@", "a,b", "a;b", "sendcmd=f=x", "-filter_complex",
)  # fmt: skip
OPTIONS = (
    "-i", "-i /etc/passwd", "--help", "-", "--", "-y", "-f", "-map", "-vf",
    "--flagfile=/etc/passwd", "-protocol_whitelist", "-attach", "-dump_attachment:t", "-rf",
    "-o/tmp/owned", "--output", "-filter_script", "@/etc/passwd",
)  # fmt: skip
PACKAGER = (
    "x,output=/tmp/owned", "x,segment_template=/tmp/owned$Number$", "x,init_segment=/tmp/owned",
    "$Number$", "$Time$", "a,stream=video", "in=/etc/passwd", "x,lang=en", ",", "=", "a=b,c=d",
    "x,drm_label=SD", "x,skip_encryption=1",
)  # fmt: skip
PATTERNS = (
    "%d", "%05d", "%s%s%s%n", "%v", "%Y%m%d", "%", "%%", "{0}", "{}", "{x.__class__}", "%(x)s",
    "film%d.mp4", "*.mp4", "glob:*",
)  # fmt: skip
PATHS = (
    "..", "../", "../x", "../../../../etc/passwd", "a/../b", "a/../../b", "/", "/etc/passwd",
    "//host/share", "\\\\host\\share", "C:", "C:\\x", "C:/x", "c:x", ".", "./", "a/./b", "a//b",
    "a/", ".hidden", ".ssh/authorized_keys", "a.", "a ", " a", "CON", "con", "nul.txt", "COM1",
    "lpt9.mp4", "aux", "a:b", "a|b", "a<b>", "a?b", "....//....//x", "..\\x", "%2e%2e%2f",
    "..%2fx", "\uff0e\uff0e/x", "\u2025/x", "\u2024\u2024/x", "/proc/self/environ", "/dev/zero",
    "x" * 201, "é" * 101, "a/" * 600, "x" * 5000,
)  # fmt: skip
PROTOCOLS = (
    "file:/etc/passwd", "file:///etc/passwd", "file://host/x", "concat:/etc/passwd|/etc/hosts",
    "concatf:x", "subfile,,start,0,end,9,,:/etc/passwd", "data:text/plain,x", "pipe:0", "pipe:",
    "fd:0", "tcp://127.0.0.1:1", "udp://127.0.0.1:1", "rtmp://127.0.0.1/x", "gopher://127.0.0.1:1/",
    "ftp://127.0.0.1/x", "crypto:/etc/passwd", "cache:/etc/passwd", "async:/etc/passwd",
    "lavfi:testsrc", "tee:/tmp/owned", "md5:", "hls+file:/etc/passwd", "javascript:alert(1)",
    "s3://bucket/x", "http://", "https://", "http:///x", "http://[", "http://a b/",
    "http://user:pass@h\nHost: x/",
)  # fmt: skip
LETTERS = (
    "\0", "a\0b", "\n", "a\nb", "\r\n", "a\r\nX-Owned: 1", "\t", "\x1b[31m", "\x7f", "\x85",
    "\u2028", "\u2029", "\u202egpj.4pm", "\u200b", "\ufeff", "\u0301", "e\u0301", "ﬁ", "Ⅷ",
    "\ud800", "a\udce4b", "\udc00\ud800", "🎬", "👩\u200d👩\u200d👧", "مرحبا", "שלום",
    "日本語", "ß", "İ", "\u0131", "\U000e0041", "\ufffe",
    "Z\u0300\u0301\u0302\u0303", "", " ", "\u3000",
)  # fmt: skip
LANGUAGES = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"><svg/onload=alert(1)>",
    "&lt;", "]]>", "<!--", "<?xml version='1.0'?>", "<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///x'>]>",
    "' OR 1=1 --", "'; DROP TABLE job; --", '" OR ""="', "1; SELECT pg_sleep(9)", "\\x27",
    "{{ 7*7 }}", "{{ ''.__class__.__mro__ }}", "{% for x in range(9) %}x{% endfor %}", "{# x #}",
    "${7*7}", "#{7*7}", '{"a": 1}', "[1, 2]", "null", "true", "NaN", "1e999", '"', "\\u0000",
    "#EXT-X-ENDLIST", "#EXTM3U\n#EXTINF:1,\n/etc/passwd", "ffconcat version 1.0", "WEBVTT",
    "0", "-1", "1.5", "99999999999999999999", "0x10", "١٢٣",
)  # fmt: skip
HOSTILE = tuple(
    dict.fromkeys(
        (
            *(*SHELL, *FILTERS, *OPTIONS, *PACKAGER, *PATTERNS),
            *(*PATHS, *PROTOCOLS, *LETTERS, *LANGUAGES),
        )
    )
)
"""Each once."""
