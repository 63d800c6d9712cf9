"""``python -m oxidis``: the command ``oxidis``."""

import sys

from oxidis._command import main

sys.exit(main())
