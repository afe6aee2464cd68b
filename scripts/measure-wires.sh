#!/usr/bin/env bash
# What a frame costs on a wire: two kernel stacks in namespaces of their own, iperf3 between them through `switch run` (as built, with
# one flow each way), and the processor time of the switch by the frames that came in. Needs root, iproute2, iperf3, openvswitch-switch
# (for ovs-ofctl) and, for dgram, socat.
#
#   npm run prepare && scripts/measure-wires.sh tap|interface|dgram
set -euo pipefail

kind=${1:?tap, interface or dgram}
cd "$(dirname "$0")/.."
seconds=4
name=sbwires$$
folder=$(mktemp -d)
target=unix:$folder/of

clean() {
  for one in switch left right; do
    ip netns pids "$name-$one" | xargs -r kill -9
    ip netns delete "$name-$one"
  done
  rm -rf "$folder"
}
trap clean EXIT

within() { ip netns exec "$name-$1" "${@:2}"; }
ofctl() { ovs-ofctl -O OpenFlow13 "$@"; }

for one in switch left right; do
  ip netns add "$name-$one"
  ip -n "$name-$one" link set lo up
done

case $kind in
  tap) wires=(tap:eth0 tap:eth1) ;;
  interface)
    wires=(interface:veth0 interface:veth1)
    ip -n "$name-switch" link add veth0 up type veth peer name eth0 netns "$name-left"
    ip -n "$name-switch" link add veth1 up type veth peer name eth1 netns "$name-right"
    ;;
  dgram) wires=(dgram:127.0.0.1:5001,127.0.0.1:6001 dgram:127.0.0.1:5002,127.0.0.1:6002) ;;
  *) echo "$kind is none of tap, interface and dgram" >&2; exit 2 ;;
esac

within switch node dist/cli/main.js switch run --quiet --listen "punix:$folder/of" --port "p1@1=${wires[0]}" --port "p2@2=${wires[1]}" &
until ofctl show "$target" > /dev/null 2>&1; do sleep 0.2; done
process=$(ip netns pids "$name-switch" | head -1)
ofctl add-flow "$target" in_port=1,actions=output:2
ofctl add-flow "$target" in_port=2,actions=output:1

if [ "$kind" = dgram ]; then
  within switch socat TUN,tun-type=tap,iff-no-pi,tun-name=eth0 UDP4:127.0.0.1:5001,bind=127.0.0.1:6001 &
  within switch socat TUN,tun-type=tap,iff-no-pi,tun-name=eth1 UDP4:127.0.0.1:5002,bind=127.0.0.1:6002 &
  sleep 1
fi
if [ "$kind" != interface ]; then
  ip -n "$name-switch" link set eth0 netns "$name-left"
  ip -n "$name-switch" link set eth1 netns "$name-right"
fi
ip -n "$name-left" address add 192.0.2.1/24 dev eth0
ip -n "$name-right" address add 192.0.2.2/24 dev eth1
ip -n "$name-left" link set eth0 up
ip -n "$name-right" link set eth1 up
within right iperf3 --server > /dev/null &
sleep 2

echo "$kind: ping: $(within left ping -c 100 -i 0.01 -q 192.0.2.2 | tail -1)"

frames() { ofctl dump-ports "$target" | awk -F'[=,]' '/rx pkts/ && !/LOCAL/ { sum += $2 } END { print sum }'; }
ticks() { awk '{ print $14 + $15 }' "/proc/$process/stat"; }

measure() {
  local before after
  before=("$(frames)" "$(ticks)")
  within left iperf3 --client 192.0.2.2 --time $seconds "${@:2}" > "$folder/said"
  after=("$(frames)" "$(ticks)")
  awk -v kind="$kind" -v what="$1" -v frames=$((after[0] - before[0])) -v ticks=$((after[1] - before[1])) -v seconds=$seconds \
    -v rate="$(awk '/receiver/ { print $7, $8 }' "$folder/said")" 'BEGIN {
      printf "%s, %s: %s; %d frames/s, %.1f us of processor time each\n", kind, what, rate, frames / seconds, ticks * 1e4 / frames }'
}

measure 'TCP'
measure 'TCP, segments of 200 bytes' --set-mss 200
measure 'UDP, 64 bytes' --udp --bitrate 0 --length 64
