"""Pages as text; knows nothing of sockets."""

import html

from shop.catalogue import Item


def front_page(items: list[Item], release: str) -> str:
    title = "Shop"
    lines = [f"<li>{html.escape(item.name)}: {format_price(item.cents)}</li>" for item in items]
    return "\n".join([f"<h1>{title}</h1>", "<ul>", *lines, "</ul>", f"<p>{html.escape(release)}</p>", ""])


def format_price(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
