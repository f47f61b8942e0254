"""Addresses that lead to this machine, to its networks, or to nothing that is asked by HTTP: none is connected to."""

_TO_THIS_MACHINE = (
    *("127.0.0.1", "127.0.0.2", "127.127.127.127", "127.1", "127.0.1", "2130706433", "017700000001", "0177.0.0.1"),
    *("0177.0.0.01", "0x7f000001", "0x7f.0.0.1", "0x7f.1", "0", "0.0.0.0", "00.0.0.0", "localhost", "LOCALHOST"),
    *("localhost.", "ip6-localhost", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
    *("[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::127.0.0.1]", "[2002:7f00:1::]", "[::1%25lo]", "[fe80::1]"),
)
_ELSEWHERE = (
    *("10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200"),
    *("192.0.0.192", "168.63.129.16", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "[fd00:ec2::254]"),
    *("[fc00::1]", "[ff02::1]", "[fec0::1]", "[2001:db8::1]", "[5f00::1]", "metadata.google.internal"),
)


def urls(port: int) -> list[str]:
    """More than 60, for a canary that listens at `port` of this machine."""
    here = f"127.0.0.1:{port}"
    return [
        *(f"http://{name}:{port}/" for name in _TO_THIS_MACHINE),
        *(f"https://{name}:{port}/" for name in _TO_THIS_MACHINE[:3]),
        *(f"http://{name}/" for name in _ELSEWHERE),
        f"http://example.com@{here}/",
        f"http://example.com:80@{here}/",
        f"http://{here}\\@example.com/",
        f"http://example.com\\@{here}/",
        f"http://{here}#@example.com/",
        f"http://{here}%2f@example.com/",
        f"http://①②⑦.⓪.⓪.①:{port}/",
        f"http://127。0。0。1:{port}/",
        f"http:///{here}/",
        f"http:{here}/",
        f"//{here}/",
        f"ftp://{here}/",
        f"gopher://{here}/_GET",
        f"ws://{here}/",
        f"file://{here}/etc/passwd",
        f"jar:http://{here}!/",
        f"dict://{here}/",
        f"unix:///var/run/docker.sock:/{here}",
        f" http://{here}/",
        f"http://{here}/\r\nhost: example.com",
        f"http://{here}/ HTTP/1.1\r\n\r\nGET /",
        f"http://127.0.0.1:{port}:80/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:99999/",
        "http://",
        "",
    ]
