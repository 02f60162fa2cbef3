"""The OpenAPI document against the server: whatever is sent, the answer is never a 5xx and has the form described."""

import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance

import os

schema = schemathesis.openapi.from_url(f"{os.environ['LOQUAT_TEST_URL']}/openapi.json")


@schema.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_no_server_errors_and_have_the_form_described(case):
    response = case.call(timeout=10)
    case.validate_response(response, checks=[not_a_server_error, response_schema_conformance])
