"""`python -m conformance`: the same as `registry-conformance`."""

import sys

from conformance.cli import main

sys.exit(main())
