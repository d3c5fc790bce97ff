"""The documentation's generated pages: `python -m docs --help`.

shared.py   what pages have in common: result files, tables, numbers, rendering, pictures
pages/      one module a page (its context and its pictures), and its template beside it
"""
