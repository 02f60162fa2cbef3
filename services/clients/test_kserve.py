"""KServe's own client: version 1 and 2 over REST, version 2 over gRPC."""

import asyncio

from kserve import InferInput, InferRequest, InferenceGRPCClient, InferenceRESTClient, RESTConfig

TEXTS = ["I want my money back", "wo ist mein Paket"]


def request():
    tensor = InferInput(name="input-0", shape=[len(TEXTS)], datatype="BYTES", data=list(TEXTS))
    return InferRequest(model_name="tickets", infer_inputs=[tensor], request_id="seventeen")


def test_version_one_scores_all_instances(url, labels):
    async def run():
        async with InferenceRESTClient(RESTConfig(protocol="v1")) as client:
            assert await client.is_server_live(url)
            assert await client.is_model_ready(url, "tickets")
            return await client.infer(url, {"instances": TEXTS}, model_name="tickets")

    predictions = asyncio.run(run())["predictions"]
    assert len(predictions) == len(TEXTS)
    assert {prediction["label"] for prediction in predictions} <= set(labels)


def test_version_two_answers_over_rest(url, labels):
    async def run():
        async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
            assert await client.is_server_live(url)
            assert await client.is_server_ready(url)
            assert await client.is_model_ready(url, "tickets")
            return await client.infer(url, request(), model_name="tickets")

    response = asyncio.run(run())
    assert response.id == "seventeen"
    assert set(response.outputs[0].data) <= set(labels)


def test_version_two_answers_over_grpc(url, labels):
    async def run():
        async with InferenceGRPCClient(url=url.removeprefix("http://")) as client:
            assert await client.is_server_live()
            assert await client.is_server_ready()
            assert await client.is_model_ready("tickets")
            return await client.infer(request())

    response = asyncio.run(run())
    assert response.id == "seventeen"
    found = [label.decode() if isinstance(label, bytes) else label for label in response.outputs[0].as_numpy().tolist()]
    assert set(found) <= set(labels)
