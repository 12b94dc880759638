# The default study's config. It is read here first, because Snakemake's own message names neither the file nor the line.
from alloymtl.config import read
from alloymtl.errors import UserError

try:
    read("config/config.yaml")
except UserError as mistake:
    sys.exit(f"error: {mistake}")


configfile: "config/config.yaml"
