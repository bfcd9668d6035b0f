using System.Buffers;
using System.Text.Json;
using Masquerade.AccessPoint.Agent.Devices;
using Masquerade.Auth.FastTransition;
using Masquerade.Auth.Handshake;
using Masquerade.Auth.Protection;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint.Agent.Observing;

/// <summary>The agent's state as one JSON document. Made on the data thread, so its tables are bounded in what they show.</summary>
internal static class StatusDocument
{
    private const int MostRows = 10_000;

    public static byte[] Write(AccessPointModel model, AccessPointNode node, IPacketDevice uplink, IPacketDevice clients, long eventsLost, long messagesUnsent, Instant now, Action<Utf8JsonWriter> shell)
    {
        var buffer = new ArrayBufferWriter<byte>(4096);
        using var writer = new Utf8JsonWriter(buffer);
        writer.WriteStartObject();
        writer.WriteString("node", model.Node.Name);
        writer.WriteNumber("monotonicNs", now.Nanoseconds);
        writer.WriteString("session", model.Standalone ? "standalone" : node.Session.ToString());
        writer.WriteString("coordinator", node.Coordinator.Name);
        writer.WriteNumber("neighbours", node.NeighbourCount);
        writer.WriteNumber("eventsLost", eventsLost);
        writer.WriteNumber("messagesUnsent", messagesUnsent);
        writer.WriteNumber("awaitedAnswers", node.AwaitedAnswers);
        writer.WriteNumber("unsaidClients", node.UnsaidClients);
        writer.WriteNumber("icmpErrorsSent", node.ErrorsSent);
        writer.WriteNumber("icmpErrorsLimited", node.ErrorsLimited);
        writer.WriteNumber("unbelievedResets", node.Fam.UnbelievedResets);
        WriteWays(writer, model, node);
        writer.WriteNumber("untranslatedEndpoints", node.Fam.UntranslatedCount);
        writer.WriteNumber("untranslatedOpened", node.Fam.UntranslatedOpened);
        if (node.PortBlocks is { Size: > 0 } blocks)
        {
            writer.WriteStartObject("portBlocks");
            writer.WriteNumber("size", blocks.Size);
            writer.WriteNumber("clients", blocks.Clients);
            writer.WriteNumber("shared", blocks.Shared);
            writer.WriteNumber("free", blocks.Free);
            writer.WriteEndObject();
        }

        WriteNeighbourhood(writer, node);
        WriteUsers(writer, node);
        WriteRadioKeys(writer, node);
        shell(writer);
        WriteClients(writer, node);
        WriteMappings(writer, node);
        WriteConnections(writer, node);
        writer.WriteStartObject("drops");
        foreach (var reason in Enum.GetValues<DropReason>())
        {
            if (reason != DropReason.None)
            {
                writer.WriteNumber(reason.ToString(), node.Drops[reason]);
            }
        }

        writer.WriteEndObject();
        writer.WriteStartObject("devices");
        WriteDevice(writer, "uplink", uplink);
        WriteDevice(writer, "client", clients);
        writer.WriteEndObject();
        writer.WriteEndObject();
        writer.Flush();
        buffer.Write("\n"u8);
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>How packets with foreign sources leave, and how many went in another way than as they are.</summary>
    private static void WriteWays(Utf8JsonWriter writer, AccessPointModel model, AccessPointNode node)
    {
        writer.WriteString("outboundWay", JsonNamingPolicy.CamelCase.ConvertName(model.OutboundWay.ToString()));
        writer.WriteNumber("sentByHam", node.SentByHam);
        writer.WriteNumber("sentForServer", node.SentForServer);
        writer.WriteNumber("relayedForFam", node.RelayedForFam);
        writer.WriteNumber("standIns", node.StandInCount);
        writer.WriteStartArray("ways");
        foreach (var way in node.DescribeWays(MostRows))
        {
            writer.WriteStartObject();
            writer.WriteString("peer", way.Peer.ToString());
            writer.WriteString("packets", way.ToServers ? "toServers" : "toFam");
            writer.WriteString("state", JsonNamingPolicy.CamelCase.ConvertName(way.State.ToString()));
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void WriteNeighbourhood(Utf8JsonWriter writer, AccessPointNode node)
    {
        writer.WriteStartObject("neighbourhood");
        writer.WriteNumber("here", node.NeighboursHere);
        writer.WriteNumber("sent", node.NeighboursSent);
        writer.WriteNumber("received", node.NeighboursReceived);
        writer.WriteNumber("forwarded", node.NeighboursForwarded);
        writer.WriteNumber("flows", node.NeighbourFlowCount);
        writer.WriteNumber("locations", node.NeighbourLocationCount);
        writer.WriteNumber("relayedToNodes", node.RelayedToNodes);
        writer.WriteNumber("relayedToClients", node.RelayedToClients);
        writer.WriteStartObject("groupPackets");
        foreach (var kind in Enum.GetValues<GroupKind>())
        {
            writer.WriteNumber(JsonNamingPolicy.CamelCase.ConvertName(kind.ToString()), node.GroupPackets(kind));
        }

        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    /// <summary>What has become of hostapd's questions for keys of fast transitions.</summary>
    private static void WriteRadioKeys(Utf8JsonWriter writer, AccessPointNode node)
    {
        if (node.RadioKeys is not { } keys)
        {
            return;
        }

        writer.WriteStartObject("radioKeys");
        foreach (var count in Enum.GetValues<RrbCount>())
        {
            writer.WriteNumber(JsonNamingPolicy.CamelCase.ConvertName(count.ToString()), keys[count]);
        }

        writer.WriteEndObject();
    }

    /// <summary>Who is let in, and what has become of handshakes and protected frames.</summary>
    private static void WriteUsers(Utf8JsonWriter writer, AccessPointNode node)
    {
        if (node.Links is not { } links)
        {
            return;
        }

        writer.WriteStartObject("links");
        writer.WriteNumber("admitted", node.AdmittedClients);
        writer.WriteNumber("protected", node.ProtectedClients);
        writer.WriteNumber("handshakesBegun", links.Begun);
        writer.WriteNumber("handshakesProven", links.Proven);
        writer.WriteNumber("handshakesUnanswered", links.Unanswered);
        writer.WriteNumber("handshakesFailed", links.Failed);
        writer.WriteNumber("keyFramesUnexpected", links.Unexpected);
        writer.WriteNumber("logoffsIgnored", links.LogoffsIgnored);
        WriteCounts<HandshakeDrop>(writer, "keyFrameDrops", reason => links[reason]);
        WriteCounts<ProtectionDrop>(writer, "frameDrops", reason => links[reason]);
        writer.WriteEndObject();
    }

    private static void WriteCounts<TReason>(Utf8JsonWriter writer, string name, Func<TReason, long> count)
        where TReason : struct, Enum
    {
        writer.WriteStartObject(name);
        foreach (var reason in Enum.GetValues<TReason>())
        {
            if (count(reason) is > 0 and var dropped)
            {
                writer.WriteNumber(reason.ToString(), dropped);
            }
        }

        writer.WriteEndObject();
    }

    private static void WriteClients(Utf8JsonWriter writer, AccessPointNode node)
    {
        writer.WriteStartArray("clients");
        foreach (var client in node.Fam.DescribeClients(MostRows))
        {
            writer.WriteStartObject();
            writer.WriteString("client", client.Client.ToString());
            writer.WriteString("state", client.State);
            writer.WriteNumber("epoch", client.Epoch.Value);
            writer.WriteBoolean("complete", client.Complete);
            writer.WriteNumber("mappings", client.Mappings);
            writer.WriteStartArray("addresses");
            foreach (var address in client.Addresses)
            {
                writer.WriteStringValue(address.ToString());
            }

            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void WriteMappings(Utf8JsonWriter writer, AccessPointNode node)
    {
        writer.WriteNumber("mappingCount", node.Ham.MappingCount);
        writer.WriteStartArray("mappings");
        foreach (var mapping in node.Ham.Describe(MostRows))
        {
            writer.WriteStartObject();
            writer.WriteString("protocol", mapping.Mapping.Protocol.ToString());
            writer.WriteString("masquerade", mapping.Mapping.Masquerade.ToString());
            if (mapping.Mapping.IsOfServer)
            {
                writer.WriteString("server", mapping.Mapping.Server.ToString());
            }

            writer.WriteString("client", mapping.Client.ToString());
            writer.WriteString("clientEndpoint", mapping.ClientEndpoint.ToString());
            writer.WriteString("famEndpoint", mapping.FamEndpoint.IsNone ? null : mapping.FamEndpoint.ToString());
            writer.WriteNumber("epoch", mapping.Epoch.Value);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void WriteConnections(Utf8JsonWriter writer, AccessPointNode node)
    {
        writer.WriteNumber("connectionCount", node.Fam.ConnectionCount);
        writer.WriteStartArray("connections");
        foreach (var connection in node.Fam.DescribeConnections(MostRows))
        {
            writer.WriteStartObject();
            writer.WriteString("client", connection.Client.ToString());
            writer.WriteString("protocol", connection.Tuple.Protocol.ToString());
            writer.WriteString("clientEndpoint", connection.Tuple.Source.ToString());
            writer.WriteString("server", connection.Tuple.Destination.ToString());
            writer.WriteString("masquerade", connection.Masquerade.ToString());
            writer.WriteBoolean("translated", connection.Masquerade != connection.Tuple.Source);
            writer.WriteString("ham", connection.Ham.Name);
            writer.WriteString("famEndpoint", connection.FamEndpoint.IsNone ? null : connection.FamEndpoint.ToString());
            writer.WriteString("state", connection.State.ToString());
            writer.WriteNumber("packetsOut", connection.PacketsOut);
            writer.WriteNumber("packetsIn", connection.PacketsIn);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void WriteDevice(Utf8JsonWriter writer, string side, IPacketDevice device)
    {
        var statistics = device.Statistics;
        writer.WriteStartObject(side);
        writer.WriteString("name", device.Name);
        writer.WriteNumber("received", statistics.Received);
        writer.WriteNumber("transmitted", statistics.Transmitted);
        writer.WriteNumber("kernelDrops", statistics.KernelDrops);
        writer.WriteNumber("receiveErrors", statistics.ReceiveErrors);
        writer.WriteNumber("transmitErrors", statistics.TransmitErrors);
        writer.WriteEndObject();
    }
}
