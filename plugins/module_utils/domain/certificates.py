# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificates made of derived keys, for engines whose operators make none: an authority a Secret, and its server's.

The keys are the same wherever they are derived, so that what one region's authority signed is trusted in the others.
Their dates are fixed (nothing here knows the time); another generation of the Secret brings other keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2046, 1, 1, tzinfo=UTC)
#: order of the curve P-256
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
#: bytes that a key is derived from: so many more than it has that no key is likelier than another
_SEED = 48


def issue(hosts: Sequence[str], derive: Callable[[str, int], bytes]) -> dict[str, str]:
    """{certificate, key, authority}: a server's of these DNS names, as PEM. derive: (label, length) -> secret bytes."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    signer, key = (_key(derive(label, _SEED)) for label in ("authority", "key"))
    # a name has at most 64 characters; what it says does not matter, only the alternative names count
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])]) for text in ("dbaas authority", hosts[0])]
    of_signer = x509.SubjectKeyIdentifier.from_public_key(signer.public_key())

    def unsigned(name: x509.Name, owner: EllipticCurvePrivateKey, label: str) -> x509.CertificateBuilder:
        return x509.CertificateBuilder(
            issuer_name=names[0],
            subject_name=name,
            public_key=owner.public_key(),
            # at most 20 bytes, and positive
            serial_number=int.from_bytes(derive(f"{label} serial", 16)) + 1,
            not_valid_before=BEGIN,
            not_valid_after=END,
            extensions=[],
        )

    usage = {
        "content_commitment": False,
        "key_encipherment": False,
        "data_encipherment": False,
        "key_agreement": False,
        "crl_sign": False,
        "encipher_only": False,
        "decipher_only": False,
    }
    authority = (
        unsigned(names[0], signer, "authority")
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=False, key_cert_sign=True, **usage), critical=True)
        .add_extension(of_signer, critical=False)
        .sign(signer, SHA256())
    )
    certificate = (
        unsigned(names[1], key, "certificate")
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=False, **usage), critical=True)
        .add_extension(
            # members of a cluster are each other's clients
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(of_signer), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(signer, SHA256())
    )
    return {
        "certificate": certificate.public_bytes(Encoding.PEM).decode(),
        "key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "authority": authority.public_bytes(Encoding.PEM).decode(),
    }


def _key(seed: bytes) -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.derive_private_key(int.from_bytes(seed) % (_ORDER - 1) + 1, ec.SECP256R1())
