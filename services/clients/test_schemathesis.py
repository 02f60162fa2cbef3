"""The OpenAPI document against the server: whatever is sent, the answer is never a 5xx."""

import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error

import os

schema = schemathesis.openapi.from_url(f"{os.environ['LOQUAT_TEST_URL']}/openapi.json")


@schema.parametrize()
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_request_gives_a_server_error(case):
    response = case.call(timeout=10)
    case.validate_response(response, checks=[not_a_server_error])
