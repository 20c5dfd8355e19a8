"""Makes the vectors of Cloakroom's formats, one file a format, from their description in another language.

Run with what `localstack/requirements-tools.txt` pins: python make.py
The program, in Rust, has to make the same bytes of the same inputs (src/crypto/vectors). What is drawn at random is
fixed here.
"""

import json
import pathlib

import make_files
import make_hashed
import make_sealed
import make_signed
import make_stored

HERE = pathlib.Path(__file__).parent


def files():
    """Name and text of every file."""
    for make in (make_sealed, make_stored, make_files, make_hashed, make_signed):
        for name, document in make.documents():
            yield f"{name}.json", json.dumps(document, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name, text in files():
        (HERE / name).write_text(text)
