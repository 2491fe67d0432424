# Fetches each URL and prints a line for it: what came, or the kind of error.
import errno, http.client, socket, ssl, sys, urllib.error, urllib.request

KINDS = {
    errno.EACCES: "access",
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
}


def kind(error):
    if isinstance(error, http.client.RemoteDisconnected):
        return "closed"
    if isinstance(error, socket.gaierror):
        return "name" if error.errno == socket.EAI_NONAME else f"other: {error!r}"
    if isinstance(error, TimeoutError):
        return "timeout"
    return KINDS.get(getattr(error, "errno", None), f"other: {error!r}")


for url in sys.argv[1:]:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            print("ok", answer.read().decode())
    except urllib.error.URLError as error:
        print(kind(error.reason))
    except OSError as error:
        print(kind(error))
