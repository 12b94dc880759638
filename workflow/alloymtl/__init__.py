"""alloymtl: when does multi-task learning help or hurt on alloy properties?

Rooms, lowest first: data <- methods <- training <- evaluation <- paper. A lower room never imports a higher one.
"""

__version__ = "0.1.0"
