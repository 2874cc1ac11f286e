"""Which variables of the machine a job finds: a short list that a build needs anywhere, and nothing else.

What else stands in the environment of whoever calls Headway, or of a server, is his: tokens, keys, the variables
by which a git hook leads each git below it to its own index. A job gets more by naming it.
"""

from collections.abc import Iterable, Mapping

_PASSED = frozenset(
    {
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "TMPDIR", "TZ",
        "LANG", "LANGUAGE", "LC_ALL", "LC_ADDRESS", "LC_COLLATE", "LC_CTYPE", "LC_IDENTIFICATION",
        "LC_MEASUREMENT", "LC_MESSAGES", "LC_MONETARY", "LC_NAME", "LC_NUMERIC", "LC_PAPER", "LC_TELEPHONE", "LC_TIME",
        "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME",
        "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY",
        "http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy",
        "SSL_CERT_DIR", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO",
        # A job within a job keeps the outer one's id: ending that ends this one, too.
        "HEADWAY_JOB_ID",
    }
)  # fmt: skip


def passed_on(environment: Mapping[str, str], more: Iterable[str] = ()) -> dict[str, str]:
    """Of `environment` what every job gets, and `more`."""
    names = _PASSED.union(more)
    return {name: value for name, value in environment.items() if name in names}
