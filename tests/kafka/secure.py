"""Real Kafka as a company runs it: TLS, passwords and access control lists, on one node."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from project.local import ports
from project.local.kafka_cluster import KafkaCluster

PASSWORD = "pass/word-of-tests"
JAAS = "org.apache.kafka.common.security"


@dataclass
class SecureKafka:
    """`open` needs no password (and may do all), `sasl` a user over TLS, `mutual` a certificate."""

    folder: Path
    cluster: KafkaCluster = field(init=False)

    def __post_init__(self) -> None:
        self.cluster = KafkaCluster(self.folder / "kafka")
        self.open, self.sasl, self.mutual = (
            f"127.0.0.1:{port}" for port in (self.cluster.ports[0], ports.free_port(), ports.free_port())
        )
        self.cluster.settings = self._settings()

    def start(self) -> None:
        make_certificates(self.folder)
        self.cluster.start()
        self.admin = AdminClient({"bootstrap.servers": self.open})

    @property
    def tls(self) -> dict[str, Any]:
        """What a client has to trust."""
        return {"ssl.ca.location": str(self.folder / "ca.pem")}

    @property
    def certificate(self) -> dict[str, Any]:
        """Who a client is, without a password."""
        location = str(self.folder / "client.pem")
        return {**self.tls, "ssl.certificate.location": location, "ssl.key.location": location}

    def add_user(self, name: str) -> None:
        """A user that SCRAM-SHA-512 knows, without rights."""
        credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        wish = UserScramCredentialUpsertion(name, credential, PASSWORD.encode())
        for future in self.admin.alter_user_scram_credentials([wish]).values():
            future.result(10)

    def grant(self, user: str, *rights: tuple[ResourceType, str, AclOperation]) -> None:
        """Rights on everything whose name begins like that; `*` is all, and the cluster has one name."""
        bindings = [
            AclBinding(kind, name, _pattern(name), f"User:{user}", "*", operation, AclPermissionType.ALLOW)
            for kind, name, operation in rights
        ]
        for future in self.admin.create_acls(bindings).values():
            future.result(10)

    def denials(self) -> list[str]:
        """What the broker's authorizer has refused."""
        log = (self.cluster.folder / "node-1" / "kafka.log").read_text()
        return [line for line in log.splitlines() if "is Denied" in line]

    def _settings(self) -> dict[str, str]:
        listeners = f"PLAINTEXT://{self.open},SASL_SSL://{self.sasl},SSL://{self.mutual}"
        sasl = "listener.name.sasl_ssl"
        return {
            "group.initial.rebalance.delay.ms": "0",
            "listeners": f"{listeners},CONTROLLER://127.0.0.1:{self.cluster.controllers[0]}",
            "advertised.listeners": listeners,
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.folder / "server.pem"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.folder / "ca.pem"),
            "listener.name.ssl.ssl.client.auth": "required",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512,OAUTHBEARER",
            f"{sasl}.plain.sasl.jaas.config": f'{JAAS}.plain.PlainLoginModule required user_boss="{PASSWORD}";',
            f"{sasl}.scram-sha-512.sasl.jaas.config": f"{JAAS}.scram.ScramLoginModule required;",
            f"{sasl}.oauthbearer.sasl.jaas.config": f"{JAAS}.oauthbearer.OAuthBearerLoginModule required "
            'unsecuredLoginStringClaim_sub="boss";',
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS;User:boss;User:CN=boss",
        }


def _pattern(name: str) -> ResourcePatternType:
    return ResourcePatternType.LITERAL if name in ("*", "kafka-cluster") else ResourcePatternType.PREFIXED


def make_certificates(folder: Path) -> None:
    """ca.pem, and what it has signed: server.pem and client.pem, each with its key."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = ["-addext", "basicConstraints=critical,CA:true"]
    _openssl(folder, "ca", "authority", *authority)
    for name, owner in (("server", "127.0.0.1"), ("client", "boss")):
        signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "subjectAltName=IP:127.0.0.1"]
        _openssl(folder, name, owner, *signed, "-addext", "basicConstraints=critical,CA:false")
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        certificate.write_text(key.read_text() + certificate.read_text())


def _openssl(folder: Path, name: str, owner: str, *more: str) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-days", "2", "-subj", f"/CN={owner}", "-keyout", f"{name}.key", "-out", f"{name}.pem", *more]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=30)
