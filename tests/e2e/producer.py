"""An independent producer: confluent-kafka with its own Avro serializer."""

import io
import json

import fastavro
from confluent_kafka import Producer
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

import oracle
from servers import ROOT

SCHEMA_TEXT = (ROOT / "proto" / "SagaTracker.avsc").read_text()
SCHEMA = json.loads(SCHEMA_TEXT)


class Publisher:
    """Sends to one topic, registering the schema itself."""

    def __init__(self, broker, registry, topic):
        self.topic = topic
        self.registry = SchemaRegistryClient({"url": registry.address})
        self._serializer = AvroSerializer(self.registry, SCHEMA_TEXT)
        self._context = SerializationContext(topic, MessageField.VALUE)
        self._schemas = {}
        self.errors = []
        self._producer = Producer(
            broker.client
            | {
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 5,
                "message.max.bytes": 10_000_000,
                "queue.buffering.max.messages": 500_000,
                # Broker outages are part of the tests; losing a message is not.
                "delivery.timeout.ms": 300_000,
            }
        )

    def encode(self, fields):
        return self._serializer(fields, self._context)

    def encode_as(self, schema, fields):
        """As another writer would, which registered a schema of its own."""
        subject = f"{schema.get('namespace', '')}.{schema['name']}-{self.topic}-other"
        schema_id = self.registry.register_schema(subject, Schema(json.dumps(schema), "AVRO"))
        return self.frame(schema_id, schema, fields)

    @staticmethod
    def frame(schema_id, schema, fields):
        out = io.BytesIO()
        out.write(b"\x00" + schema_id.to_bytes(4, "big"))
        fastavro.schemaless_writer(out, oracle.readable(json.dumps(schema)), fields)
        return out.getvalue()

    def send_raw(self, key, value, partition=None, headers=None, timestamp=None):
        extra = {} if partition is None else {"partition": partition}
        if timestamp is not None:
            extra["timestamp"] = timestamp
        while True:
            try:
                self._producer.produce(
                    self.topic, value, key, headers=headers or [], on_delivery=self._delivered, **extra
                )
                return
            except BufferError:
                self._producer.poll(0.1)

    def _delivered(self, error, message):
        if error is not None:
            self.errors.append(error)

    def send(self, messages):
        for message in messages:
            self.send_raw(message.key.encode(), self.encode(message.fields), message.partition)
            self._producer.poll(0)
        return self

    def flush(self, timeout=60):
        left = self._producer.flush(timeout)
        assert left == 0, f"{left} messages not delivered after {timeout} s"
        assert not self.errors, self.errors[:3]

    def schema_of(self, schema_id):
        """The oracle's way to a writer schema."""
        if schema_id not in self._schemas:
            try:
                text = self.registry.get_schema(schema_id).schema_str
            except SchemaRegistryError as error:
                assert error.http_status_code == 404, error
                self._schemas[schema_id] = None
            else:
                self._schemas[schema_id] = oracle.readable(text)
        return self._schemas[schema_id]
