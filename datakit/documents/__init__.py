"""Documents as material: files read to text, cut into chunks, and quotes found in them again.

    documents = read_documents("handbook/")     text, html, markdown, pdf
    cut(documents[0], 2000, 200)                Chunks, each with its place in the document
    find_quote(quote, chunk.text)               (start, end), or None

Nothing in a document is believed or carried out.
"""

from datakit.documents.chunking import Chunk, cut
from datakit.documents.quoting import find_quote, paragraphs_around, plain
from datakit.documents.reading import Document, find_files, read_documents

__all__ = [
    "Chunk",
    "Document",
    "cut",
    "find_files",
    "find_quote",
    "paragraphs_around",
    "plain",
    "read_documents",
]
