#!/usr/bin/env bash
# Records the captures in topologies/examples/captures from real Linux stacks: one network namespace per VM, a bridge per
# network in a namespace of its own. Run by a maintainer, as root, on Debian:
#
#   apt-get install -y --no-install-recommends iproute2 ethtool tcpdump iputils-ping ndisc6 iperf3 curl python3 dnsmasq-base isc-dhcp-client
#   scripts/record-examples.sh [two-tenants|overlay|trunks|migration-under-load|stateful-web-tier|multicast]…
#
# Each interface is captured in the direction out only, so a capture holds every frame once, where its stack sent it.
# Names, MAC and IP addresses are those of the topologies in topologies/examples/networks.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
captures=$here/../topologies/examples/captures
work=$(mktemp -d)
fabric=sbx-fabric
namespaces=()
background=()
sources=()

[ "$(id -u)" = 0 ] || { echo "record-examples.sh makes network namespaces: run it as root." >&2; exit 1; }

in_vm() { local vm=$1; shift; ip netns exec "sbx-$vm" "$@"; }

# ---- building -------------------------------------------------------------------------------------------------------

begin() {  # begin NETWORK… : an empty world with one bridge per network
  ip netns add $fabric
  namespaces=($fabric)
  background=() sources=()
  ip netns exec $fabric sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
  for network in "$@"; do
    ip -n $fabric link add "$network" type bridge stp_state 0 mcast_snooping 0
    ip -n $fabric link set "$network" up
  done
}

vm() {  # vm NAME : a namespace
  ip netns add "sbx-$1"
  namespaces+=("sbx-$1")
  ip -n "sbx-$1" link set lo up
}

# vnic VM INTERFACE NETWORK MAC [tag=TAG] [ADDRESS/LENGTH…] : joins a VM to a network and captures what it sends there.
# With a tag the capture wears it: the interface stands for a sub-port of the trunk vNIC eth0.
vnic() {
  local name=$1 interface=$2 network=$3 mac=$4 tag='' far="$1-$2" file=$work/$1-$2.pcap
  shift 4
  case ${1:-} in tag=*) tag="@${1#tag=}"; shift ;; esac
  ip -n $fabric link add "$far" type veth peer name "$interface" netns "sbx-$name" address "$mac"
  plain_frames $fabric "$far"
  plain_frames "sbx-$name" "$interface"
  ip -n $fabric link set "$far" master "$network" up
  # Silent until the capture runs: tcpdump wants the interface up, and IPv6 speaks as soon as it is.
  in_vm "$name" sysctl -qw "net.ipv6.conf.$interface.disable_ipv6=1"
  ip -n "sbx-$name" link set "$interface" up
  in_vm "$name" tcpdump -q -n -U --immediate-mode --time-stamp-precision=nano -Q out -i "$interface" -w "$file" 2>"$file.log" &
  background+=($!)
  until grep -q listening "$file.log"; do
    kill -0 $! || { cat "$file.log" >&2; exit 1; }
    sleep 0.05
  done
  sources+=("$file=$name:eth0$tag")
  in_vm "$name" sysctl -qw "net.ipv6.conf.$interface.disable_ipv6=0"
  for address in "$@"; do ip -n "sbx-$name" address add "$address" dev "$interface"; done
}

plain_frames() {  # frames as they would be on a wire: at most 1514 bytes, checksums filled in
  ip netns exec "$1" ethtool -K "$2" tx off rx off sg off tso off gso off gro off >/dev/null
}

serve() {  # serve COMMAND… : in the background until the end
  "$@" >>"$work/log" 2>&1 &
  background+=($!)
}

finish() {  # finish NAME : stops everything and writes captures/NAME.pcapng
  sleep 0.3
  tear_down
  python3 "$here/merge-captures.py" "$captures/$1.pcapng" "${sources[@]}"
}

tear_down() {
  for pid in "${background[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${background[@]}"; do wait "$pid" 2>/dev/null || true; done
  background=()
  for namespace in "${namespaces[@]}"; do ip netns del "$namespace" 2>/dev/null || true; done
  namespaces=()
}
trap 'tear_down; rm -rf "$work"' EXIT

# ---- traffic --------------------------------------------------------------------------------------------------------

# `timeout` bounds what would wait for answers that do not come.
pings() { local from=$1; shift; in_vm "$from" timeout 20 ping -q -n "$@" >/dev/null || true; }

http_server() {  # http_server VM BYTES
  mkdir -p "$work/www"
  head -c "$2" /dev/urandom | base64 -w 76 >"$work/www/page.txt"
  serve ip netns exec "sbx-$1" python3 -m http.server --directory "$work/www" 80
}

web_server() {  # web_server VM : a page of 24 kB, which takes three seconds as `slow`; and for whoever asks by UDP, as long, a feed of events
  cat >"$work/web.py" <<'SCRIPT'
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from os import urandom
from socket import AF_INET, SOCK_DGRAM, socket
from threading import Thread
from time import sleep

class Pages(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "24000")
        self.end_headers()
        for _ in range(100):
            self.wfile.write(urandom(120).hex().encode())
            self.wfile.flush()
            sleep(0.03 if self.path == "/slow" else 0)

def feed():
    events = socket(AF_INET, SOCK_DGRAM)
    events.bind(("", 5004))
    _, subscriber = events.recvfrom(100)
    for _ in range(150):
        events.sendto(urandom(60), subscriber)
        sleep(0.02)

Thread(target=feed, daemon=True).start()
ThreadingHTTPServer(("", 80), Pages).serve_forever()
SCRIPT
  serve ip netns exec "sbx-$1" python3 "$work/web.py"
}

subscribe() {  # subscribe VM ADDRESS : asks for the feed of events once, and listens
  in_vm "$1" timeout 4 python3 - "$2" <<'SCRIPT' || true
from socket import AF_INET, SOCK_DGRAM, socket
from sys import argv
events = socket(AF_INET, SOCK_DGRAM)
events.sendto(b"subscribe", (argv[1], 5004))
while True:
    events.recv(100)
SCRIPT
}

watch() {  # watch VM GROUP GROUP6 SECONDS : listens to both for so long
  in_vm "$1" python3 - "$2" "$3" "$4" <<'SCRIPT'
from socket import AF_INET, AF_INET6, IPPROTO_IP, IPPROTO_IPV6, IP_ADD_MEMBERSHIP, IPV6_JOIN_GROUP, SOCK_DGRAM
from socket import if_nametoindex, inet_aton, inet_pton, socket
from struct import pack
from sys import argv
from time import sleep
one, six = socket(AF_INET, SOCK_DGRAM), socket(AF_INET6, SOCK_DGRAM)
eth0 = if_nametoindex("eth0")
one.setsockopt(IPPROTO_IP, IP_ADD_MEMBERSHIP, inet_aton(argv[1]) + pack("=4si", bytes(4), eth0))
six.setsockopt(IPPROTO_IPV6, IPV6_JOIN_GROUP, inet_pton(AF_INET6, argv[2]) + pack("=I", eth0))
sleep(float(argv[3]))
SCRIPT
}

stream() {  # stream VM GROUP GROUP6 COUNT : to both, each 20 ms
  in_vm "$1" python3 - "$2" "$3" "$4" <<'SCRIPT'
from os import urandom
from socket import AF_INET, AF_INET6, SOCK_DGRAM, if_nametoindex, socket
from sys import argv
from time import sleep
one, six = socket(AF_INET, SOCK_DGRAM), socket(AF_INET6, SOCK_DGRAM)
for _ in range(int(argv[3])):
    one.sendto(urandom(100), (argv[1], 5004))
    six.sendto(urandom(100), (argv[2], 5004, 0, if_nametoindex("eth0")))
    sleep(0.02)
SCRIPT
}

http_get() { in_vm "$1" curl -sS --retry 5 --retry-connrefused --retry-delay 1 --max-time 10 -o /dev/null "http://$2/page.txt"; }

iperf_server() { serve ip netns exec "sbx-$1" iperf3 -s; }
iperf() { local from=$1; shift; in_vm "$from" timeout 20 iperf3 "$@" >/dev/null; }

dhcp_server() {  # dhcp_server VM FIRST LAST MAC=ADDRESS
  serve ip netns exec "sbx-$1" dnsmasq --no-daemon --conf-file=/dev/null --user=root --port=0 --interface=eth0 --no-ping \
    --dhcp-authoritative --dhcp-leasefile="$work/leases" --dhcp-range="$2,$3,1h" --dhcp-host="${4/=/,}"
}

dhcp_client() {  # dhcp_client VM : asks for an address and takes it
  cat >"$work/take-address" <<'SCRIPT'
#!/bin/sh
case $reason in
  PREINIT) ip link set "$interface" up ;;
  BOUND) ip address add "$new_ip_address/24" dev "$interface" ;;
esac
SCRIPT
  chmod +x "$work/take-address"
  in_vm "$1" timeout 20 dhclient -1 -d -q -cf /dev/null -lf "$work/client-leases" -pf "$work/dhclient.pid" -sf "$work/take-address" eth0 \
    >>"$work/log" 2>&1 &
  background+=($!)
  until [ -n "$(ip -n "sbx-$1" -4 -o address show dev eth0)" ]; do sleep 0.1; done
}

settle() { sleep 2; }  # duplicate address detection, router solicitations, listener reports

# ---- the examples ---------------------------------------------------------------------------------------------------

two_tenants() {
  begin blue green
  for name in web1 db1 pc1 dhcp1 web2 db2; do vm $name; done
  vnic web1 eth0 blue 02:00:00:00:0a:01 10.0.10.11/24 fd00:10::11/64
  vnic db1 eth0 blue 02:00:00:00:0a:02 10.0.10.12/24 fd00:10::12/64
  vnic pc1 eth0 blue 02:00:00:00:0a:03
  vnic dhcp1 eth0 blue 02:00:00:00:0a:04 10.0.10.2/24
  vnic web2 eth0 green 02:00:00:00:14:01 10.0.20.11/24 fd00:20::11/64
  vnic db2 eth0 green 02:00:00:00:14:02 10.0.20.12/24 fd00:20::12/64
  settle
  dhcp_server dhcp1 10.0.10.50 10.0.10.60 02:00:00:00:0a:03=10.0.10.50
  http_server db1 12000
  iperf_server db2
  sleep 0.5
  dhcp_client pc1
  pings web1 -c 3 -i 0.2 10.0.10.12
  pings web1 -c 3 -i 0.2 fd00:10::12
  pings pc1 -c 2 -i 0.2 10.0.10.11
  http_get web1 10.0.10.12
  http_get pc1 10.0.10.12
  pings web1 -c 2 -i 0.2 -s 4000 10.0.10.12
  pings web2 -c 3 -i 0.2 10.0.20.12
  pings web2 -c 2 -i 0.2 fd00:20::12
  iperf web2 -c 10.0.20.12 -n 100K -b 4M
  # A tenant that tries the other's addresses: it asks, and nobody may answer.
  ip -n sbx-web1 route add 10.0.20.0/24 dev eth0
  pings web1 -c 1 -W 1 10.0.20.12
  finish two-tenants
}

overlay() {  # two tenants that use the same addresses
  begin red amber
  for name in red1 red2 red3 red4 amber1 amber2 amber3; do vm $name; done
  vnic red1 eth0 red 02:00:00:01:00:01 10.1.0.11/24 fd00:1::11/64
  vnic red2 eth0 red 02:00:00:01:00:02 10.1.0.12/24 fd00:1::12/64
  vnic red3 eth0 red 02:00:00:01:00:03 10.1.0.13/24 fd00:1::13/64
  vnic red4 eth0 red 02:00:00:01:00:04
  vnic amber1 eth0 amber 02:00:00:02:00:01 10.1.0.11/24 fd00:1::11/64
  vnic amber2 eth0 amber 02:00:00:02:00:02 10.1.0.12/24 fd00:1::12/64
  vnic amber3 eth0 amber 02:00:00:02:00:03 10.1.0.13/24 fd00:1::13/64
  settle
  dhcp_server red2 10.1.0.50 10.1.0.60 02:00:00:01:00:04=10.1.0.50
  http_server amber3 20000
  iperf_server red3
  sleep 0.5
  dhcp_client red4
  pings red1 -c 3 -i 0.2 10.1.0.12 &
  pings amber1 -c 3 -i 0.2 10.1.0.12
  pings red1 -c 2 -i 0.2 fd00:1::13 &
  pings amber1 -c 2 -i 0.2 fd00:1::13
  pings red4 -c 2 -i 0.2 10.1.0.11
  in_vm red1 timeout 5 ndisc6 -1 -q fd00:1::12 eth0 >/dev/null || true
  http_get amber1 10.1.0.13
  http_get amber2 10.1.0.13
  pings red1 -c 2 -i 0.2 -s 4000 10.1.0.13
  pings amber2 -c 1 -s 4000 fd00:1::13
  iperf red1 -c 10.1.0.13 -n 100K -b 4M
  iperf red1 -c 10.1.0.13 -u -l 1000 -b 800K -t 1
  finish overlay
}

trunks() {  # router1 and pbx1 speak to several networks over one vNIC each
  begin office voice dmz
  for name in router1 pbx1 pc1 phone1 web1; do vm $name; done
  vnic router1 eth0 office 02:00:00:03:00:01 10.3.10.1/24
  vnic router1 sub20 voice 02:00:00:03:00:01 tag=20 10.3.20.1/24
  vnic router1 sub130 dmz 02:00:00:03:00:01 tag=130 10.3.30.1/24
  vnic pbx1 eth0 office 02:00:00:03:00:02 tag=10 10.3.10.2/24
  vnic pbx1 sub20 voice 02:00:00:03:00:02 tag=20 10.3.20.2/24
  vnic pc1 eth0 office 02:00:00:03:00:03 10.3.10.11/24
  vnic phone1 eth0 voice 02:00:00:03:00:04 10.3.20.11/24
  vnic web1 eth0 dmz 02:00:00:03:00:05 10.3.30.11/24
  in_vm router1 sysctl -qw net.ipv4.ip_forward=1
  ip -n sbx-pc1 route add default via 10.3.10.1
  ip -n sbx-web1 route add default via 10.3.30.1
  settle
  http_server web1 12000
  iperf_server pbx1
  sleep 0.5
  pings pc1 -c 3 -i 0.2 10.3.10.1
  pings pc1 -c 3 -i 0.2 10.3.10.2
  pings phone1 -c 3 -i 0.2 10.3.20.2
  pings phone1 -c 2 -i 0.2 10.3.20.1
  pings web1 -c 2 -i 0.2 10.3.30.1
  http_get pc1 10.3.30.11
  pings pc1 -c 2 -i 0.2 -s 4000 10.3.30.11
  iperf phone1 -c 10.3.20.2 -u -l 172 -b 80K -t 2
  finish trunks
}

migration_under_load() {  # server1 takes a stream, pings and a download; it is moved while they run
  begin app other
  for name in server1 client1 client2 other1 other2; do vm $name; done
  vnic server1 eth0 app 02:00:00:04:00:01 10.4.0.11/24 fd00:4::11/64
  vnic client1 eth0 app 02:00:00:04:00:02 10.4.0.12/24 fd00:4::12/64
  vnic client2 eth0 app 02:00:00:04:00:03 10.4.0.13/24 fd00:4::13/64
  vnic other1 eth0 other 02:00:00:05:00:01 10.4.0.11/24 fd00:4::11/64
  vnic other2 eth0 other 02:00:00:05:00:02 10.4.0.12/24 fd00:4::12/64
  settle
  http_server server1 60000
  iperf_server server1
  sleep 0.5
  pings client2 -c 150 -i 0.02 10.4.0.11 &
  pings client1 -c 30 -i 0.1 fd00:4::11 &
  pings other1 -c 60 -i 0.05 10.4.0.12 &
  in_vm client2 curl -sS --limit-rate 30K --max-time 10 -o /dev/null http://10.4.0.11/page.txt &
  iperf client1 -c 10.4.0.11 -u -l 300 -b 1M -t 3
  wait %1 2>/dev/null || true
  finish migration-under-load
}

stateful_web_tier() {  # web1 serves pages and feeds db1; stranger1 gets through here, where no security group is in its way
  local talks=()
  begin tier
  for name in web1 db1 client1 client2 stranger1; do vm $name; done
  vnic web1 eth0 tier 02:00:00:06:00:01 10.5.0.11/24 fd00:5::11/64
  vnic db1 eth0 tier 02:00:00:06:00:02 10.5.0.12/24 fd00:5::12/64
  vnic client1 eth0 tier 02:00:00:06:00:03 10.5.0.21/24 fd00:5::21/64
  vnic client2 eth0 tier 02:00:00:06:00:04 10.5.0.22/24 fd00:5::22/64
  vnic stranger1 eth0 tier 02:00:00:06:00:05 10.5.0.66/24 fd00:5::66/64
  settle
  web_server web1
  iperf_server db1
  sleep 1.5
  pings client2 -c 120 -i 0.025 10.5.0.11 & talks+=($!)
  in_vm client1 curl -sS --max-time 10 -o /dev/null http://10.5.0.11/slow & talks+=($!)
  subscribe client1 10.5.0.11 & talks+=($!)
  (for _ in 1 2 3 4; do http_get client2 10.5.0.11; sleep 0.6; done) & talks+=($!)
  (sleep 1; pings stranger1 -c 2 -i 0.3 10.5.0.11; http_get stranger1 10.5.0.11) & talks+=($!)
  iperf web1 -c 10.5.0.12 -b 400K -l 1K -t 3
  wait "${talks[@]}"
  finish stateful-web-tier
}

multicast() {  # camera1 streams to two groups; viewer1 and viewer2 watch, in the newest and in an older way, and viewer1 leaves before the end
  local talks=()
  begin stage
  for name in camera1 viewer1 viewer2 guest1; do vm $name; done
  vnic camera1 eth0 stage 02:00:00:07:00:01 10.6.0.11/24 fd00:6::11/64
  vnic viewer1 eth0 stage 02:00:00:07:00:02 10.6.0.12/24 fd00:6::12/64
  vnic viewer2 eth0 stage 02:00:00:07:00:03 10.6.0.13/24 fd00:6::13/64
  vnic guest1 eth0 stage 02:00:00:07:00:04 10.6.0.14/24 fd00:6::14/64
  in_vm viewer2 sysctl -qw net.ipv4.conf.eth0.force_igmp_version=2 net.ipv6.conf.eth0.force_mld_version=1
  ip -n sbx-camera1 route add 224.0.0.0/4 dev eth0
  settle
  watch viewer1 239.6.0.7 ff3e::6:7 5 & talks+=($!)
  watch viewer2 239.6.0.7 ff3e::6:7 7 & talks+=($!)
  sleep 2
  pings guest1 -c 60 -i 0.05 10.6.0.13 & talks+=($!)
  stream camera1 239.6.0.7 ff3e::6:7 200
  wait "${talks[@]}"
  finish multicast
}

mkdir -p "$captures"
[ $# -gt 0 ] || set -- two-tenants overlay trunks migration-under-load stateful-web-tier multicast
for example in "$@"; do
  case $example in
    two-tenants) two_tenants ;;
    overlay) overlay ;;
    trunks) trunks ;;
    migration-under-load) migration_under_load ;;
    stateful-web-tier) stateful_web_tier ;;
    multicast) multicast ;;
    *)
      echo "no example is called $example: two-tenants, overlay, trunks, migration-under-load, stateful-web-tier or multicast" >&2
      exit 2
      ;;
  esac
done
