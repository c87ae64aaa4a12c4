"""Printing on a terminal or to a pipe: width and colours, safe text, cells, amounts, the pager."""
