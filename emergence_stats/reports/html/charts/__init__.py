"""Charts of the HTML report, as SVG inside the page: text is text, a line leads to its run, and colours are those of the page.

Files and notebooks have matplotlib (`reports.pictures`).
"""
