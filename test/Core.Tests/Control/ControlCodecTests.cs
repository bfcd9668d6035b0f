using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Xunit.Abstractions;

namespace Masquerade.Core.Tests.Control;

/// <summary>What is written is read, what must not be taken is refused with a reason.</summary>
public sealed class ControlCodecTests(ITestOutputHelper output)
{
    private static readonly MacAddress Client = MacAddress.Parse("02:00:00:00:00:07");
    private static readonly TransportEndpoint Endpoint = TransportEndpoint.Parse("192.0.2.1:1024");

    public static TheoryData<string> MessageNames => [.. RandomMessages.Types.Select(t => t.Name)];

    [Fact]
    public void Every_message_of_the_contract_has_a_number_of_its_own()
    {
        Assert.Equal(RandomMessages.Types.ToHashSet(), ControlCodec.TypeNumbers.Keys.ToHashSet());
        Assert.Equal(ControlCodec.TypeNumbers.Count, ControlCodec.TypeNumbers.Values.Distinct().Count());
    }

    [Theory]
    [MemberData(nameof(MessageNames))]
    public void Round_trip(string name)
    {
        var type = RandomMessages.Types.Single(t => t.Name.Equals(name, StringComparison.Ordinal));
        var random = new RandomMessages(Seed.Number(output));
        for (var i = 0; i < 500; i++)
        {
            var message = random.Next(type);
            var read = Encoded.Decode(Encoded.Body(message));
            Assert.Equal(RandomMessages.Describe(message), RandomMessages.Describe(read));
        }
    }

    /// <summary>The wire does not change by accident: these octets are what version 1 sends.</summary>
    [Fact]
    public void Known_octets()
    {
        Assert.Equal(
            "99" + "01" + "01" + "05" + "A3617031" + "CD1234" + "92C4040A010101CD128B" + "92" + "C4040A010101" + "C41020010DB8000000000000000000000001"
            + "91" + "92C4040A01000018" + "91" + "94C4040A01010907A3617032C3",
            Convert.ToHexString(Encoded.Body(new Hello
            {
                Id = 5,
                Node = new NodeId("ap1"),
                Incarnation = 0x1234,
                PeerEndpoint = TransportEndpoint.Parse("10.1.1.1:4747"),
                Addresses = [IpAddress.Parse("10.1.1.1"), IpAddress.Parse("2001:db8::1")],
                Takes = [IpPrefix.Parse("10.1.0.0/24")],
                Owners = [new AddressOwner(IpAddress.Parse("10.1.1.9"), new Epoch(7), new NodeId("ap2"), Settled: true)],
            })));
        Assert.Equal("94010505" + "01", Convert.ToHexString(Encoded.Body(new Ack { Id = 5, Status = AckStatus.StaleEpoch })));
        Assert.Equal("98010406" + "07" + "02" + "CD0300" + "03" + "91" + "92C404C000020105",
            Convert.ToHexString(Encoded.Body(new Heartbeat { Id = 6, Mappings = 7, Clients = 2, Store = 768, WaysRewritten = 3, Loads = [new AddressLoad(IpAddress.FromV4(0xC000_0201), 5)] })));
        Assert.Equal(
            "95" + "01" + "2B" + "09" + "92" + "11" + "92C404C0000201CD0400" + "C406020000000007",
            Convert.ToHexString(Encoded.Body(new FamQuery { Id = 9, Mapping = new MappingId(TransportProtocol.Udp, Endpoint), Client = Client })));
    }

    [Fact]
    [Trait("Req", "N-01")]
    public void A_mapping_for_one_server_names_it_and_what_cannot_be_is_refused()
    {
        var server = TransportEndpoint.Parse("203.0.113.9:443");
        FamQuery Query(TransportProtocol protocol, TransportEndpoint to) => new() { Id = 9, Mapping = new MappingId(protocol, Endpoint, to), Client = Client };
        Assert.Equal(
            "95" + "01" + "2B" + "09" + "93" + "11" + "92C404C0000201CD0400" + "92C404CB007109CD01BB" + "C406020000000007",
            Convert.ToHexString(Encoded.Body(Query(TransportProtocol.Udp, server))));
        Assert.Equal(Query(TransportProtocol.Tcp, server), Encoded.Decode(Encoded.Body(Query(TransportProtocol.Tcp, server))));
        Encoded.Refusal(Encoded.Body(Query(TransportProtocol.Icmp, server)));
        Encoded.Refusal(Encoded.Body(Query(TransportProtocol.Udp, TransportEndpoint.Parse("[2001:db8::9]:443"))));
    }

    /// <summary>A later minor version adds fields at the end of arrays; this one passes over them, whatever they are.</summary>
    [Fact]
    public void Unknown_trailing_fields_are_passed_over()
    {
        var body = Encoded.Values(w =>
        {
            w.WriteArrayHeader(8);
            w.Write(1UL);
            w.Write(41UL);
            w.Write(77UL);
            w.Write([2, 0, 0, 0, 0, 7]);
            w.Write(3UL);
            w.WriteArrayHeader(1);
            w.WriteArrayHeader(6);
            w.WriteArrayHeader(3);
            w.Write(6UL);
            WriteEndpoint(w, extra: true);
            w.WriteNil();
            w.Write("ap1");
            WriteEndpoint(w, extra: false);
            w.WriteNil();
            w.WriteArrayHeader(0);
            w.WriteMapHeader(1);
            w.Write("later");
            w.Write(1.5);
            w.Write("more");
            w.WriteArrayHeader(1);
            w.Write(-5L);
        });
        var read = Assert.IsType<FamCleared>(Encoded.Decode(body));
        Assert.Equal(77UL, read.Id);
        Assert.Equal(new Epoch(3), read.Epoch);
        Assert.Equal(Client, read.Client);
        Assert.Equal(new FamRoute(new MappingId(TransportProtocol.Tcp, Endpoint), new NodeId("ap1"), Endpoint, default), Assert.Single(read.Routes));
    }

    [Fact]
    public void Each_missing_field_is_an_error()
    {
        var random = new RandomMessages(Seed.Number(output));
        foreach (var type in RandomMessages.Types)
        {
            var body = Encoded.Body(random.Next(type));
            var fields = body[0] & 0x0F;
            for (var count = 0; count < fields; count++)
            {
                // The array says that it is shorter; what would follow is left away with it.
                Encoded.Refusal([(byte)(0x90 | count), .. body.AsSpan(1, Elements(body, count))]);
            }
        }
    }

    [Fact]
    public void Octets_behind_the_message_are_an_error() => Encoded.Refusal([.. Encoded.Body(new Heartbeat { Id = 1 }), 0xC0]);

    [Theory]
    [InlineData(0UL)]
    [InlineData(2UL)]
    [InlineData(ulong.MaxValue)]
    public void Another_version_is_refused_by_name(ulong version)
    {
        var error = Encoded.Refusal(Encoded.Values(w =>
        {
            w.WriteArrayHeader(3);
            w.Write(version);
            w.Write(4UL);
            w.Write(1UL);
        }));
        Assert.Contains($"version {version}", error, StringComparison.Ordinal);
    }

    [Fact]
    public void Unknown_types_are_refused_by_number()
    {
        foreach (var type in Enumerable.Range(0, 300).Select(t => (ulong)t).Append(ulong.MaxValue).Where(t => !ControlCodec.TypeNumbers.Values.Contains((int)Math.Min(t, 1000))))
        {
            var error = Encoded.Refusal(Encoded.Values(w =>
            {
                w.WriteArrayHeader(3);
                w.Write(1UL);
                w.Write(type);
                w.Write(1UL);
            }));
            Assert.Contains($"type {type} ", error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_message_that_is_not_of_this_protocol_is_not_written_as_nothing() =>
        Assert.Throws<ArgumentException>(() => Encoded.Body(new Stranger { Id = 1 }));

    [Theory]
    [InlineData("")]
    [InlineData("ap 1")]
    [InlineData("ap/1")]
    [InlineData("äp")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    public void Invalid_node_names_are_refused(string name) => Encoded.Refusal(Hello(w => w.Write(name)));

    [Fact]
    public void A_node_must_have_a_name()
    {
        Encoded.Decode(Hello(w => w.Write("ap1")));
        Encoded.Refusal(Hello(w => w.WriteNil()));
    }

    [Theory]
    [InlineData("")]
    [InlineData("01")]
    [InlineData("0A0101")]
    [InlineData("0A01010101")]
    [InlineData("00000000000000000000000000000000")]
    [InlineData("00000000000000000000FFFF0A010101")]
    [InlineData("20010DB80000000000000000000001")]
    public void Addresses_have_one_form_only(string hex)
    {
        var address = Convert.FromHexString(hex);
        Encoded.Refusal(Hello(w => w.Write("ap1"), w => w.Write(address)));
    }

    [Fact]
    public void Numbers_outside_their_enumeration_are_refused()
    {
        for (var status = 0UL; status < 300; status++)
        {
            var ack = Encoded.Values(w =>
            {
                w.WriteArrayHeader(4);
                w.Write(1UL);
                w.Write(5UL);
                w.Write(1UL);
                w.Write(status);
            });
            Assert.Equal(status <= (ulong)AckStatus.Refused, ControlCodec.TryDecode(ack, out _, out _));
        }

        for (var protocol = 0UL; protocol < 600; protocol++)
        {
            var query = Encoded.Values(w =>
            {
                w.WriteArrayHeader(5);
                w.Write(1UL);
                w.Write(43UL);
                w.Write(1UL);
                w.WriteArrayHeader(2);
                w.Write(protocol);
                WriteEndpoint(w, extra: false);
                w.Write([2, 0, 0, 0, 0, 7]);
            });
            Assert.Equal(protocol is 1 or 6 or 17, ControlCodec.TryDecode(query, out _, out _));
        }
    }

    [Fact]
    public void Reasons_are_cut_when_written_and_refused_when_too_long()
    {
        var read = (Goodbye)Encoded.Decode(Encoded.Body(new Goodbye { Id = 1, Reason = new string('€', 5_000) }));
        Assert.Equal(ControlLimits.MaxReasonLength, read.Reason.Length);

        // A character of two code units at the cut must not become invalid UTF-8.
        Encoded.Decode(Encoded.Body(new Goodbye { Id = 1, Reason = new string('a', ControlLimits.MaxReasonLength - 1) + "😀" }));
        Encoded.Refusal(Goodbye(w => w.Write(new string('a', ControlLimits.MaxReasonLength + 1))));
        Encoded.Refusal(Goodbye(w => w.Write("a"u8)));
    }

    [Theory]
    [InlineData("addresses", ControlLimits.MaxAddresses)]
    [InlineData("offers", ControlLimits.MaxOffers)]
    [InlineData("attachments", ControlLimits.MaxAttachments)]
    [InlineData("mappings", ControlLimits.MaxMappingsPerMessage)]
    [InlineData("connections", ControlLimits.MaxConnectionsPerMapping)]
    [InlineData("routes", ControlLimits.MaxRoutes)]
    [InlineData("ended", ControlLimits.MaxBareMappings)]
    public void Lists_are_taken_up_to_their_limit_and_not_beyond(string list, int limit)
    {
        Encoded.Decode(Encoded.Body(With(list, limit)));
        var error = Encoded.Refusal(Encoded.Body(With(list, limit + 1)));
        Assert.Contains("field", error, StringComparison.Ordinal);
    }

    private static ControlMessage With(string list, int count)
    {
        var id = new MappingId(TransportProtocol.Tcp, Endpoint);
        var ham = new NodeId("a");
        var record = new MappingRecord { Mapping = id, ClientEndpoint = Endpoint, Ham = ham, AnchorEpoch = new Epoch(1), Revision = 1 };
        return list switch
        {
            "addresses" => new Arrive { Id = 1, Client = Client, Addresses = [.. Enumerable.Repeat(Endpoint.Address, count)] },
            "offers" => new Arrive { Id = 1, Client = Client, Offers = [.. Enumerable.Repeat(new FamOffer(TransportProtocol.Udp, Endpoint), count)] },
            "attachments" => new AttachKnown { Id = 1, Client = Client, Epoch = default, Attachments = [.. Enumerable.Repeat(new Attachment(id, Endpoint), count)] },
            "mappings" => new AnchorReport { Id = 1, Client = Client, Epoch = default, FamEpoch = default, Mappings = [.. Enumerable.Repeat(record, count)] },
            "connections" => new LookupReply
            {
                Id = 1,
                Mapping = record with { Connections = [.. Enumerable.Repeat(new ConnectionRecord(Endpoint, ConnectionState.Established, 5), count)] },
            },
            "routes" => new FamCleared { Id = 1, Client = Client, Epoch = default, Routes = [.. Enumerable.Repeat(new FamRoute(id, ham, default, default), count)] },
            _ => new ReleaseMappings { Id = 1, Client = Client, Mappings = [.. Enumerable.Repeat(id, count)] },
        };
    }

    /// <summary>The length of the first elements of an encoded array whose header is one octet.</summary>
    private static int Elements(byte[] body, int count)
    {
        var reader = new MessagePackReader(body.AsSpan(1));
        for (var i = 0; i < count; i++)
        {
            Assert.True(reader.TrySkip());
        }

        return body.Length - 1 - reader.Remaining;
    }

    private static byte[] Hello(Encoded.Writing name, Encoded.Writing? address = null) => Encoded.Values(w =>
    {
        w.WriteArrayHeader(9);
        w.Write(1UL);
        w.Write(1UL);
        w.Write(1UL);
        name(w);
        w.Write(1UL);
        WriteEndpoint(w, extra: false);
        w.WriteArrayHeader(address is null ? 0 : 1);
        address?.Invoke(w);
        w.WriteArrayHeader(0);
        w.WriteArrayHeader(0);
    });

    [Theory]
    [InlineData("00000000", 0, true)]
    [InlineData("0A000000", 8, true)]
    [InlineData("00000000000000000000000000000000", 0, true)]
    [InlineData("20010DB8000000000000000000000000", 32, true)]
    [InlineData("0A000001", 8, false)]
    [InlineData("0A000000", 33, false)]
    [InlineData("20010DB8000000000000000000000000", 129, false)]
    [InlineData("00000000000000000000FFFF0A000000", 104, false)]
    [InlineData("0A0000", 8, false)]
    public void Prefixes_have_one_form_only_and_may_be_all_zero(string hex, int length, bool isGood)
    {
        var hello = Encoded.Values(w =>
        {
            w.WriteArrayHeader(9);
            w.Write(1UL);
            w.Write(1UL);
            w.Write(1UL);
            w.Write("ap1");
            w.Write(1UL);
            w.WriteNil();
            w.WriteArrayHeader(0);
            w.WriteArrayHeader(1);
            w.WriteArrayHeader(2);
            w.Write(Convert.FromHexString(hex));
            w.Write((ulong)length);
            w.WriteArrayHeader(0);
        });
        if (isGood)
        {
            Assert.Equal(length, Assert.Single(((Hello)Encoded.Decode(hello)).Takes).Length);
        }
        else
        {
            Encoded.Refusal(hello);
        }
    }

    private static byte[] Goodbye(Encoded.Writing reason) => Encoded.Values(w =>
    {
        w.WriteArrayHeader(4);
        w.Write(1UL);
        w.Write(3UL);
        w.Write(1UL);
        reason(w);
    });

    private static void WriteEndpoint(MessagePackWriter writer, bool extra)
    {
        writer.WriteArrayHeader(extra ? 3 : 2);
        writer.Write([192, 0, 2, 1]);
        writer.Write(1_024UL);
        if (extra)
        {
            writer.Write("later");
        }
    }

    private sealed record Stranger : ControlMessage;
}
