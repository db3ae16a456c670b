"""The bundled catalogue of currencies (XML_valFull.asp), for English names and for ids without a code."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rates.cbrxml import read_xml
from rates.sheets import cbr_id_of

DATA_DIR = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A currency, present or past. Code and number may be empty, and several entries may share one."""

    cbr_id: str
    char_code: str
    num_code: str
    name: str
    name_en: str


def parse_catalogue(body: bytes) -> tuple[CatalogueEntry, ...]:
    """The entries of a reply of XML_valFull.asp. Raises BadSheet."""
    entries = []
    for item in read_xml(body, "Valuta").find_all("Item", recursive=False):
        texts = {child.name: child.get_text().strip() for child in item.find_all(True, recursive=False)}
        number = texts.get("ISO_Num_Code", "")
        entries.append(
            CatalogueEntry(
                cbr_id=cbr_id_of(item, "ID"),
                char_code=texts.get("ISO_Char_Code", ""),
                # XML_daily pads it to three digits, XML_valFull does not.
                num_code=number.zfill(3) if number else "",
                name=texts.get("Name", ""),
                name_en=texts.get("EngName", ""),
            )
        )
    return tuple(entries)


@cache
def bundled_catalogue() -> dict[str, CatalogueEntry]:
    """The bundled entries by the CBR's id; the list of daily rates goes before that of monthly ones."""
    entries: dict[str, CatalogueEntry] = {}
    for path in sorted(DATA_DIR.glob("valFull_*.xml"), reverse=True):
        entries |= {entry.cbr_id: entry for entry in parse_catalogue(path.read_bytes())}
    return entries


def english_name(cbr_id: str) -> str:
    """ "US Dollar" for R01235, "" where the catalogue doesn't know the currency."""
    entry = bundled_catalogue().get(cbr_id)
    return entry.name_en if entry else ""
