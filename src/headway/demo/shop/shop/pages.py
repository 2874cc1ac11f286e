"""Pages as text; knows nothing of sockets."""

import html

from shop.catalogue import Item


def front_page(items: list[Item], release: str) -> str:
    lines = [f"<li>{html.escape(item.name)}: {format_price(item.cents)}</li>" for item in items]
    return f"<h1>Shop</h1>\n<ul>\n{chr(10).join(lines)}\n</ul>\n<p>{html.escape(release)}</p>\n"


def format_price(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
