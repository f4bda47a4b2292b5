#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Example payload: does nothing and writes nothing. Measures everything else."""
import sys

import yoda_payload

sys.exit(yoda_payload.Kit().run(lambda range, output: None))
