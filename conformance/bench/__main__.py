"""`python -m conformance.bench`: the same as `registry-bench`."""

import sys

from conformance.bench.cli import main

sys.exit(main())
