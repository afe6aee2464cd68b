// An authority of one's own, and certificates of it: keys on P-256, as X.509 (RFC 5280). Makes text and writes no file.

// oxlint-disable-next-line import/no-unassigned-import -- what it does has to be done before the library is loaded
import 'reflect-metadata'
import { createPrivateKey, KeyObject, webcrypto } from 'node:crypto'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'

/** Both as PEM. */
export interface Credentials {
  privateKey: string
  certificate: string
}

export interface Validity {
  /** When it is made: milliseconds since 1970. */
  now: number
  days: number
}

export interface Subject {
  /** The common name, and the first of the alternative names. */
  name: string
  /** Other names and addresses under which it is dialled. */
  alternatives?: readonly AlternativeName[]
  /** Whether it may be dialled, as well as dial. */
  server: boolean
}

export interface AlternativeName {
  type: 'dns' | 'ip'
  value: string
}

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAY = 86_400_000
/** Clocks of machines differ; a certificate holds from a little before it was made. */
const SLACK = 300_000

/** A certificate that signs others, and itself. */
export async function makeAuthority(name: string, validity: Validity): Promise<Credentials> {
  const keys = await newKeys()
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [name] }],
    keys,
    signingAlgorithm: ECDSA,
    ...span(validity),
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { privateKey: pemOf(keys.privateKey), certificate: `${certificate.toString('pem')}\n` }
}

/** A certificate of `authority`. It holds no longer than that of the authority. */
export async function makeCertificate(
  authority: Credentials,
  subject: Subject,
  validity: Validity,
): Promise<Credentials> {
  const keys = await newKeys()
  const issuer = new X509Certificate(authority.certificate)
  const { notBefore, notAfter } = span(validity)
  const certificate = await X509CertificateGenerator.create({
    subject: [{ CN: [subject.name] }],
    issuer: issuer.subjectName,
    publicKey: keys.publicKey,
    signingKey: await signingKeyOf(authority.privateKey),
    signingAlgorithm: ECDSA,
    notBefore,
    notAfter: notAfter < issuer.notAfter ? notAfter : issuer.notAfter,
    extensions: await extensionsOf(subject, keys.publicKey, issuer),
  })
  return { privateKey: pemOf(keys.privateKey), certificate: `${certificate.toString('pem')}\n` }
}

async function extensionsOf(
  { name, alternatives = [], server }: Subject,
  publicKey: webcrypto.CryptoKey,
  issuer: X509Certificate,
): Promise<Extension[]> {
  const uses = [ExtendedKeyUsage.clientAuth, ...(server ? [ExtendedKeyUsage.serverAuth] : [])]
  return [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension(uses),
    new SubjectAlternativeNameExtension([{ type: 'dns', value: name }, ...alternatives]),
    await SubjectKeyIdentifierExtension.create(publicKey),
    await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
  ]
}

const newKeys = () => webcrypto.subtle.generateKey(ECDSA, true, ['sign', 'verify'])

const span = ({ now, days }: Validity) => ({
  notBefore: new Date(now - SLACK),
  notAfter: new Date(now + days * DAY),
})

const pemOf = (key: webcrypto.CryptoKey) => KeyObject.from(key).export({ type: 'pkcs8', format: 'pem' }).toString()

/** @throws Error where the text is no such key */
function signingKeyOf(pem: string): Promise<webcrypto.CryptoKey> {
  const key = createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' })
  return webcrypto.subtle.importKey('pkcs8', key, ECDSA, false, ['sign'])
}
