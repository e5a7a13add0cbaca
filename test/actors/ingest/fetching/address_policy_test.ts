import { test } from "uvu";
import * as assert from "uvu/assert";
import { AddressPolicy, literalAddress } from "../../../../actors/ingest/fetching/address_policy.ts";

const PUBLIC = ["1.1.1.1", "93.184.215.14", "172.15.255.255", "172.32.0.1", "2606:4700:4700::1111", "2a00:1450:4001:80b::200e"];

const NOT_PUBLIC: Readonly<Record<string, readonly string[]>> = {
  loopback: ["127.0.0.1", "127.255.255.254", "::1"],
  unspecified: ["0.0.0.0", "0.1.2.3", "::"],
  private: ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"],
  "link-local": ["169.254.169.254", "fe80::1", "febf::1"],
  "unique local": ["fc00::1", "fd00:ec2::254"],
  "site-local": ["fec0::1"],
  multicast: ["224.0.0.1", "239.255.255.255", "ff02::1"],
  broadcast: ["255.255.255.255"],
  "carrier-grade NAT": ["100.64.0.1", "100.127.255.255"],
  reserved: ["192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "240.0.0.1", "192.0.0.8"],
  documentation: ["2001:db8::1", "3fff::1"],
  "IPv4-mapped": ["::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:1.1.1.1"],
  "IPv4-compatible": ["::127.0.0.1", "::7f00:1"],
  "IPv4-translated": ["::ffff:0:127.0.0.1"],
  NAT64: ["64:ff9b::7f00:1", "64:ff9b::169.254.169.254", "64:ff9b:1::a00:1"],
  "6to4": ["2002:7f00:1::", "2002:a9fe:a9fe::1"],
  Teredo: ["2001:0:4136:e378:8000:63bf:3fff:fdd2"],
  discard: ["100::1"],
  "a cloud platform's own": ["168.63.129.16", "::ffff:168.63.129.16", "100.100.100.200", "192.0.0.192"],
  "no address": ["", "localhost", "1.1.1", "1.1.1.1.1", "256.1.1.1", "1.1.1.1/8", " 1.1.1.1"],
};

test("Public addresses may be asked", () => {
  const policy = new AddressPolicy([]);
  for (const address of PUBLIC) assert.ok(policy.allows(address), address);
});

for (const [kind, addresses] of Object.entries(NOT_PUBLIC)) {
  test(`An address may not be asked that is ${kind}`, () => {
    const policy = new AddressPolicy([]);
    for (const address of addresses) assert.not(policy.allows(address), address);
  });
}

test("A range that an operator names may be asked, in its own notation and as IPv4-mapped, and nothing beside it", () => {
  const policy = new AddressPolicy(["10.1.0.0/16", "fd00:1::/32"]);
  for (const address of ["10.1.2.3", "::ffff:10.1.2.3", "fd00:1::5"]) assert.ok(policy.allows(address), address);
  for (const address of ["10.2.0.1", "fd00:2::5", "169.254.169.254", "64:ff9b::a01:203"]) assert.not(policy.allows(address), address);
});

test("A URL's host is an address however it is spelled", () => {
  const spelled: Readonly<Record<string, string | null>> = {
    "http://2130706433/": "127.0.0.1",
    "http://0x7f000001/": "127.0.0.1",
    "http://0177.0.0.1/": "127.0.0.1",
    "http://127.1/": "127.0.0.1",
    "http://①②⑦.⓪.⓪.①/": "127.0.0.1",
    "http://127.0.0.1./": "127.0.0.1",
    "http://[::ffff:127.0.0.1]/": "::ffff:7f00:1",
    "http://[::1]/": "::1",
    "http://docs.example.com/": null,
    "http://1.example.com/": null,
  };
  for (const [url, address] of Object.entries(spelled)) assert.is(literalAddress(new URL(url).hostname), address, url);
});

test.run();
