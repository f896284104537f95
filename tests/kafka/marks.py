"""What a module of tests on a real Kafka says about itself: `pytestmark = KAFKA`."""

import pytest

#: kafka-python leaves a socket that nobody answered to the garbage collector, and so it complains while a broker is
#: down. Starting a broker takes seconds, on a busy machine many: hence the time.
KAFKA = [
    pytest.mark.kafka,
    pytest.mark.timeout(180),
    pytest.mark.filterwarnings("ignore:unclosed <(socket|ssl):ResourceWarning"),
]
