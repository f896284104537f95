"""What a module of the matrix says about itself: `pytestmark = MATRIX`, or LONG where it takes its time."""

import pytest

from tests.kafka.marks import KAFKA

#: Quick enough for `make test`.
MATRIX = [pytest.mark.timeout(240), *KAFKA, pytest.mark.usefixtures("no_sockets_left")]  # of two times the first counts
#: Only by `make chaos`.
LONG = [pytest.mark.timeout(900), *MATRIX, pytest.mark.chaos]
