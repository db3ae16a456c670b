"""Long texts in parts that Telegram takes."""

# Of a message, in UTF-16 code units. https://core.telegram.org/bots/api#sendmessage
LIMIT = 4096


def units(text: str) -> int:
    """The length as Telegram counts it: an emoji is two."""
    return len(text.encode("utf-16-le")) // 2


def split(text: str, limit: int = LIMIT) -> list[str]:
    """The text in parts of at most `limit` UTF-16 units, cut at line ends, or within a line that alone is longer."""
    parts: list[str] = []
    current = ""
    for line in (piece for whole in text.split("\n") for piece in _pieces(whole, limit)):
        longer = f"{current}\n{line}" if current else line
        if units(longer) <= limit:
            current = longer
            continue
        parts.append(current)
        current = line
    # What has only blank lines can't be sent.
    return [part for part in [*parts, current] if part.strip()]


def _pieces(line: str, limit: int) -> list[str]:
    """A line that is longer than a message, cut between characters."""
    if units(line) <= limit:
        return [line]
    pieces, current, size = [], "", 0
    for character in line:
        width = units(character)
        if size + width > limit:
            pieces.append(current)
            current, size = "", 0
        current, size = current + character, size + width
    return [*pieces, current]
