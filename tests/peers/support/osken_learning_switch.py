# A learning switch for os-ken on OpenFlow 1.3. Debian's python3-os-ken has the library without its sample applications.

from os_ken.base.app_manager import OSKenApp
from os_ken.controller.handler import CONFIG_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.controller.ofp_event import EventOFPErrorMsg, EventOFPPacketIn, EventOFPSwitchFeatures
from os_ken.lib.packet.ethernet import ethernet
from os_ken.lib.packet.packet import Packet
from os_ken.ofproto import ofproto_v1_3


class LearningSwitch(OSKenApp):
    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.port_of = {}

    def add_flow(self, datapath, priority, match, port):
        parser, ofproto = datapath.ofproto_parser, datapath.ofproto
        actions = [parser.OFPActionOutput(port, ofproto.OFPCML_NO_BUFFER)]
        apply = parser.OFPInstructionActions(ofproto.OFPIT_APPLY_ACTIONS, actions)
        datapath.send_msg(parser.OFPFlowMod(datapath, priority=priority, match=match, instructions=[apply]))

    @set_ev_cls(EventOFPSwitchFeatures, CONFIG_DISPATCHER)
    def features(self, event):
        datapath = event.msg.datapath
        self.add_flow(datapath, 0, datapath.ofproto_parser.OFPMatch(), datapath.ofproto.OFPP_CONTROLLER)

    @set_ev_cls(EventOFPPacketIn, MAIN_DISPATCHER)
    def packet_in(self, event):
        message = event.msg
        datapath = message.datapath
        parser, ofproto = datapath.ofproto_parser, datapath.ofproto
        came_in = message.match['in_port']
        frame = Packet(message.data).get_protocol(ethernet)
        self.port_of[frame.src] = came_in
        port = self.port_of.get(frame.dst, ofproto.OFPP_FLOOD)
        if port != ofproto.OFPP_FLOOD:
            match = parser.OFPMatch(in_port=came_in, eth_src=frame.src, eth_dst=frame.dst)
            self.add_flow(datapath, 1, match, port)
        datapath.send_msg(parser.OFPPacketOut(
            datapath, message.buffer_id, came_in, [parser.OFPActionOutput(port)], message.data))

    @set_ev_cls(EventOFPErrorMsg, [CONFIG_DISPATCHER, MAIN_DISPATCHER])
    def error(self, event):
        self.logger.error('error type %d code %d', event.msg.type, event.msg.code)
