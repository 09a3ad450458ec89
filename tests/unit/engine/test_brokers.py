"""Which brokers there are, and what Celery is told of each."""

from __future__ import annotations

import pytest

from adaptation.engine import brokers, rabbitmq
from adaptation.engine.transport import make_app
from adaptation.errors import SettingsError


def test_a_broker_of_another_kind_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="'sqla\\+sqlite' is no kind of broker") as caught:
        make_app("sqla+sqlite:///queue.db", [])

    assert caught.value.code == "broker_unknown"


@pytest.mark.parametrize("scheme", ["amqp", "pyamqp", "amqps"])
def test_every_url_of_rabbitmq_gets_an_end_to_waiting(scheme: str) -> None:
    app = make_app(f"{scheme}://a/;{scheme}://b/", ["light"])

    connection = app.connection_for_read()
    assert type(connection.transport).__module__ == rabbitmq.__name__
    assert [url.partition(":")[0] for url in connection.alt] == [rabbitmq.SCHEMES[scheme]] * 2


def test_task_queues_are_quorum_queues_and_the_one_of_clients_is_what_they_declare() -> None:
    queues = make_app("amqp://a/", ["light"]).amqp.queues

    assert queues["light"].queue_arguments == {"x-queue-type": "quorum"}
    assert queues[brokers.SUBMIT_QUEUE].queue_arguments is None
    assert all(queue.durable and not queue.exchange.name for queue in queues.values())
