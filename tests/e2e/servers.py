"""The servers around the tracker: a real Kafka, a real registry, a way to cut a wire."""

import os
import select
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import requests
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

# Errors that pass: a topic is new, a broker has just come back.
PASSING = (
    "NOT_LEADER_FOR_PARTITION",
    "LEADER_NOT_AVAILABLE",
    "UNKNOWN_TOPIC_OR_PART",
    "_UNKNOWN_PARTITION",
    "_TIMED_OUT",
    "_TRANSPORT",
    "_ALL_BROKERS_DOWN",
)
ROOT = Path(__file__).resolve().parents[2]


def wait_until(condition, timeout, what="the condition", interval=0.05):
    """The condition's first true value; the only way these tests wait."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s for {what}; last value: {value!r}")
        time.sleep(interval)


def free_port():
    """A loopback port outside the range that outgoing connections take from, and that no other worker gives away."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    lanes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    for port in range(10_000 + os.getpid() % 5000 // lanes * lanes + worker, 32_000, lanes):
        if port in free_port.given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        free_port.given.add(port)
        return port
    raise AssertionError("no free port")


free_port.given = set()


def run_script(name, *arguments):
    done = subprocess.run(
        [ROOT / "scripts" / name, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, f"{name} {arguments}: {done.stderr}"
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


class Stoppable:
    """What is started and stopped. As a context, it is stopped however the block ends."""

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


class Program(Stoppable):
    """A server that is one process of ours, with one port on loopback and its data in one directory."""

    title: str

    def __init__(self, directory):
        self.directory = Path(directory)
        self.port = free_port()
        self.process = None

    def command(self):
        raise NotImplementedError

    def environment(self):
        return {}

    def serves(self):
        """Whether it answers as it should; while nobody listens, requests' error will do."""
        raise NotImplementedError

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        log = self.directory / "server.log"
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command(),
                env=os.environ | self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.directory,
            )

        def serves():
            assert self.process.poll() is None, log.read_text()
            with suppress(requests.RequestException):
                return self.serves()
            return False

        try:
            wait_until(serves, 60, f"{self.title} to serve")
        except BaseException:
            # Nobody has a handle on it yet that could stop it.
            self.stop()
            raise
        return self

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)


class LocalServer(Stoppable):
    """One directory, driven through a script of `scripts/`."""

    script: str

    def __init__(self, directory, *options):
        self.directory = Path(directory)
        self.options = options
        self.address = None

    def start(self):
        try:
            self.address = run_script(self.script, "start", "--dir", self.directory, *self.options)
        except BaseException:
            # It may be there all the same, only not serving.
            with suppress(AssertionError, subprocess.TimeoutExpired):
                self.kill()
            raise
        return self

    def stop(self):
        run_script(self.script, "stop", "--dir", self.directory)

    def kill(self):
        run_script(self.script, "kill", "--dir", self.directory)

    def signal(self, number):
        os.kill(int(run_script(self.script, "pid", "--dir", self.directory)), number)

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)


class Registry(LocalServer):
    script = "registry.sh"


@dataclass(frozen=True)
class Record:
    """One Kafka record, as any consumer sees it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list
    timestamp: int

    @property
    def position(self):
        return (self.partition, self.offset)


# How long a broker on a busy machine may take for one answer.
ADMIN_TIMEOUT = 120
# Seconds of it that one of several tries may take.
ONE_TRY = 15


class Broker(LocalServer):
    script = "kafka.sh"

    @property
    def client(self):
        """A client's settings. One that a broker which has just started tells of no brokers asks again after seconds:
        unless told so, librdkafka waits five minutes. Sooner, and a busy broker never gets to answer."""
        return {
            "bootstrap.servers": self.address,
            "metadata.recovery.rebootstrap.trigger.ms": 15_000,
            "log_level": 2,
        }

    @cached_property
    def admin(self):
        return AdminClient(self.client)

    def create_topic(self, name, partitions=3, **config):
        topic = NewTopic(name, partitions, 1, config=config)

        def created():
            try:
                self.admin.create_topics([topic])[name].result(ADMIN_TIMEOUT)
                return True
            except KafkaException as error:
                # A topic of that name is still being deleted.
                if error.args[0].name() == "TOPIC_ALREADY_EXISTS":
                    return False
                raise

        wait_until(created, ADMIN_TIMEOUT, f"topic {name} to be created")
        wait_until(lambda: len(self.partitions(name)) == partitions, ADMIN_TIMEOUT, f"topic {name}")

    def settings(self, name):
        """name → value of the topic's settings."""
        resource = ConfigResource(ConfigResource.Type.TOPIC, name)
        described = self.admin.describe_configs([resource])[resource].result(ADMIN_TIMEOUT)
        return {entry.name: entry.value for entry in described.values()}

    def delete_topic(self, name):
        self.admin.delete_topics([name])[name].result(ADMIN_TIMEOUT)
        wait_until(lambda: not self.partitions(name), ADMIN_TIMEOUT, f"topic {name} to go away")

    def grow_topic(self, name, partitions):
        self.admin.create_partitions([NewPartitions(name, partitions)])[name].result(ADMIN_TIMEOUT)
        wait_until(lambda: len(self.partitions(name)) == partitions, ADMIN_TIMEOUT, f"{name} to grow")

    def partitions(self, name, timeout=ADMIN_TIMEOUT):
        try:
            metadata = self.admin.list_topics(timeout=timeout)
        except KafkaException:
            # A client that a broker told of no brokers, as one does that was frozen, may never find any again.
            self.__dict__.pop("admin", None)
            raise
        return sorted(metadata.topics[name].partitions) if name in metadata.topics else []

    def _reader(self):
        return Consumer(
            self.client
            | {
                "group.id": "e2e-reader",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": False,
                "fetch.message.max.bytes": 10_485_760,
            }
        )

    def ends(self, name):
        """partition → the offset the next record will get."""

        def asked():
            # A client of its own for each try, see `partitions`.
            reader = self._reader()
            try:
                return {
                    p: reader.get_watermark_offsets(TopicPartition(name, p), timeout=ONE_TRY)[1]
                    for p in self.partitions(name, ONE_TRY)
                }
            except KafkaException as error:
                if error.args[0].retriable() or error.args[0].name() in PASSING:
                    return None
                raise
            finally:
                reader.close()

        return wait_until(asked, ADMIN_TIMEOUT, f"the ends of {name}")

    def read(self, name):
        """Every record of the topic up to now."""
        ends = self.ends(name)
        wanted = sum(ends.values())
        reader = self._reader()
        records = []
        try:
            reader.assign([TopicPartition(name, p, 0) for p in ends])
            deadline = time.monotonic() + 120
            while len(records) < wanted:
                assert time.monotonic() < deadline, f"{name}: read {len(records)} of {wanted}"
                for message in reader.consume(10_000, timeout=1.0):
                    assert not message.error(), message.error()
                    records.append(
                        Record(
                            message.partition(),
                            message.offset(),
                            message.key(),
                            message.value(),
                            message.headers() or [],
                            message.timestamp()[1],
                        )
                    )
        finally:
            reader.close()
        return sorted(records, key=lambda r: r.position)

    def committed(self, group, topic):
        """partition → committed offset of a consumer group."""
        parts = [TopicPartition(topic, p) for p in self.partitions(topic)]
        asked = ConsumerGroupTopicPartitions(group, parts)
        answer = self.admin.list_consumer_group_offsets([asked])[group].result(ADMIN_TIMEOUT)
        return {p.partition: p.offset for p in answer.topic_partitions}


class Gate:
    """A TCP address that leads to a server only while it is open."""

    def __init__(self, host, port):
        self.target = (host, port)
        self.port = free_port()
        self._listener = None
        self._pairs = []

    def open(self):
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self):
        if self._listener is not None:
            # shutdown, not only close: it wakes the accepting thread.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for end in [end for pair in self._pairs for end in pair]:
            # The pump sees the end of it and closes; the peer may have been faster.
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._pairs.clear()

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(self.target)
            except OSError:
                return
            self._pairs.append((client, server))
            threading.Thread(target=self._pump, args=(client, server), daemon=True).start()

    @staticmethod
    def _pump(client, server):
        other = {client: server, server: client}
        try:
            while True:
                for source in select.select([client, server], [], [])[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    other[source].sendall(data)
        except (OSError, ValueError):
            return
        finally:
            client.close()
            server.close()
