using System.Collections.Immutable;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.RoamingCoordinator;

/// <summary>The reading half.</summary>
public static partial class ClientRecordCodec
{
    /// <summary>Reads a record; false if it is none. Never throws.</summary>
    /// <param name="data">The octets.</param>
    /// <param name="client">Whose record it is to be.</param>
    /// <param name="origin">Unix time at <see cref="Instant.Zero"/>, in milliseconds.</param>
    /// <param name="record">The record.</param>
    public static bool TryDecode(ReadOnlySpan<byte> data, MacAddress client, ulong origin, out ClientRecord? record)
    {
        var reader = new Reader(data);
        record = reader.ReadRecord(client, (long)origin);
        return record is not null;
    }

    /// <summary>Remembers the first thing that is wrong and reads everything after it as empty.</summary>
    private ref struct Reader
    {
        private MessagePackReader _reader;
        private string[] _nodes = [];
        private IpAddress[] _addresses = [];
        private ulong[] _epochs = [];
        private bool _failed;

        public Reader(ReadOnlySpan<byte> data) => _reader = new MessagePackReader(data);

        public ClientRecord? ReadRecord(MacAddress client, long origin)
        {
            var fields = Count(int.MaxValue);
            Check(fields >= Fields + 3 && UInt64() == Version);
            ReadTables();
            var epoch = Epoch();
            var highestReported = Epoch();
            var fam = Node();
            var previous = Node();
            var flags = UInt64();
            var since = Time(origin);
            var arriveId = UInt64();
            var decider = UInt64();
            var token = UInt64();
            var arrivals = ImmutableDictionary.CreateBuilder<string, (ulong Incarnation, ulong Id)>(StringComparer.Ordinal);
            for (var left = Count(MaxTable * 3, 3); left > 0 && !_failed; left--)
            {
                var node = Node();
                var incarnation = UInt64();
                var id = UInt64();
                if (Check(!node.IsNone))
                {
                    arrivals[node.Name!] = (incarnation, id);
                }
            }

            var pending = ReadPending(origin);
            var ended = ImmutableArray.CreateBuilder<EndMark>();
            for (var left = Count(ClientRecord.MaxEnded * 5, 5); left > 0 && !_failed; left--)
            {
                ended.Add(new EndMark(Mapping(), Epoch(), UInt64()));
            }

            var addresses = ImmutableArray.CreateBuilder<IpAddress>();
            for (var left = Count(ControlLimits.MaxAddresses); left > 0 && !_failed; left--)
            {
                var address = Address();
                Check(!address.IsNone);
                addresses.Add(address);
            }

            var mappings = ImmutableDictionary.CreateBuilder<MappingId, MappingEntry>();
            var count = Count(MaxTable);
            for (var left = count; left > 0 && !_failed; left--)
            {
                if (ReadMapping(origin) is { } entry)
                {
                    mappings[entry.Record.Mapping] = entry;
                }
            }

            // The count stands at the end again: a record that was cut is not taken for a short one.
            Check(UInt64() == (ulong)count && mappings.Count == count);
            var asOf = fields > Fields + 3 ? UInt64() : 0;
            var further = ImmutableArray.CreateBuilder<FurtherFam>();
            for (var left = fields > Fields + 4 ? Count(ControlLimits.MaxFurtherFams * 2, 2) : 0; left > 0 && !_failed; left--)
            {
                var node = Node();
                Check(!node.IsNone);
                further.Add(new FurtherFam(node, UInt64()));
            }

            var user = fields > Fields + 5 && !(fields > Fields + 6 && _reader.TryReadNil()) ? ReadUser() : null;
            var over = ImmutableArray.CreateBuilder<SessionEnd>();
            for (var left = fields > Fields + 6 ? Count(SessionEnd.MaxKept * 4, 4) : 0; left > 0 && !_failed; left--)
            {
                over.Add(new SessionEnd(ReadOctets(UserSession.IdLength, UserSession.IdLength), Text(), Text(), Unix()));
            }

            for (; fields > Fields + 7 && !_failed; fields--)
            {
                Check(_reader.TrySkip());
            }

            return _failed || !_reader.End ? null : new ClientRecord
            {
                Client = client,
                Epoch = epoch,
                HighestReported = highestReported,
                Fam = fam,
                Further = further.ToImmutable(),
                PreviousFam = previous,
                Departed = (flags & 1) != 0,
                Answered = (flags & 2) != 0,
                IsLinkLost = (flags & 4) != 0,
                Since = since,
                ArriveId = arriveId,
                Decider = decider,
                AddressesAsOf = asOf,
                Token = token,
                User = user,
                Over = over.ToImmutable(),
                LastArrivals = arrivals.ToImmutable(),
                Pending = pending,
                Ended = ended.ToImmutable(),
                Addresses = addresses.ToImmutable(),
                Mappings = mappings.ToImmutable(),
            };
        }

        private UserRecord? ReadUser()
        {
            var inner = Count(int.MaxValue);
            Check(inner >= 11);
            var user = new UserRecord
            {
                Session = ReadOctets(UserSession.IdLength, UserSession.IdLength),
                User = Text(),
                SealedKey = ReadOctets(0, UserRecord.MaxSealedKey),
                Terms = ReadOctets(0, UserRecord.MaxTerms),
                Began = Unix(),
                Ends = Unix(),
                IdleSeconds = (uint)Math.Min(UInt64(), uint.MaxValue),
                Segment = Text(),
                At = Node(),
                Proof = (SessionProof)Math.Min(UInt64(), (ulong)SessionProof.Trusted),
                Role = Text(),
            };
            if (inner > 11)
            {
                // Records from before have none.
                user = user with { IsProtected = UInt64() != 0 };
            }

            if (inner > 12)
            {
                user = user with { SealedRoamingKey = ReadOctets(0, UserRecord.MaxSealedKey) };
            }

            for (; inner > 13 && !_failed; inner--)
            {
                Check(_reader.TrySkip());
            }

            return _failed ? null : user;
        }

        private Octets ReadOctets(int atLeast, int atMost) =>
            !_failed && Check(_reader.TryReadBytes(out var bytes) && bytes.Length >= atLeast && bytes.Length <= atMost) ? new Octets(bytes) : Octets.Empty;

        private string Text() =>
            !_failed && Check(_reader.TryReadString(ControlLimits.MaxReasonLength * 3, out var text) && text.Length <= ControlLimits.MaxReasonLength) ? text : string.Empty;

        /// <summary>Unix milliseconds up to the end of the year 9999, the last that a date can tell.</summary>
        private long Unix() => (long)Math.Min(UInt64(), 253_402_300_799_999UL);

        private void ReadTables()
        {
            _nodes = new string[Count(MaxTable)];
            for (var i = 0; i < _nodes.Length && !_failed; i++)
            {
                Check(_reader.TryReadString(NodeId.MaxLength, out _nodes[i]) && NodeId.IsValid(_nodes[i]));
            }

            var both = Count(2 * MaxTable) - 1;
            var addresses = UInt64();
            if (!Check(both >= 0 && addresses <= (ulong)both))
            {
                return;
            }

            _addresses = new IpAddress[(int)addresses];
            for (var i = 0; i < _addresses.Length && !_failed; i++)
            {
                if (Check(_reader.TryReadBytes(out var bytes) && bytes.Length is 4 or 16))
                {
                    _addresses[i] = IpAddress.FromBytes(bytes);
                    Check(!_addresses[i].IsNone && _addresses[i].IsIPv4 == (bytes.Length == 4));
                }
            }

            _epochs = new ulong[both - _addresses.Length];
            for (var i = 0; i < _epochs.Length && !_failed; i++)
            {
                _epochs[i] = UInt64();
            }
        }

        private PendingArrival? ReadPending(long origin)
        {
            if (_failed || _reader.TryReadNil())
            {
                return null;
            }

            Check(Count(int.MaxValue) == 3);
            var deadline = Time(origin);
            var awaited = ImmutableArray.CreateBuilder<AwaitedFam>();
            for (var left = Count(MaxTable * 2, 2); left > 0 && !_failed; left--)
            {
                var node = Node();
                Check(!node.IsNone);
                awaited.Add(new AwaitedFam(node, UInt64()));
            }

            var offers = ImmutableArray.CreateBuilder<FamOffer>();
            for (var left = Count(ControlLimits.MaxOffers * 3, 3); left > 0 && !_failed; left--)
            {
                offers.Add(new FamOffer(Protocol(UInt64()), Endpoint()));
            }

            return new PendingArrival(awaited.ToImmutable(), deadline, offers.ToImmutable());
        }

        private MappingEntry? ReadMapping(long origin)
        {
            var values = Count(9 + (MappingEntry.MaxFams * 4) + (ControlLimits.MaxConnectionsPerMapping * 4) + 3);
            var mapping = Mapping();
            var client = Endpoint();
            var ham = Node();
            var anchor = Epoch();
            var revision = UInt64();
            var report = Epoch();
            var fams = (int)(revision & 7);
            var rest = (values - 9) % 4;
            var (hasTerms, hasNotes, hasOpened) = (rest >= 1, rest >= 2, rest == 3);
            var connections = values - 9 - (fams * 4) - rest;
            if (!Check(!ham.IsNone && fams <= MappingEntry.MaxFams && revision >> 3 <= uint.MaxValue && connections >= 0 && connections % 4 == 0))
            {
                return null;
            }

            var famRecords = ImmutableArray.CreateBuilder<FamRecord>(fams);
            for (; fams > 0 && !_failed; fams--)
            {
                var node = Node();
                Check(!node.IsNone);
                famRecords.Add(new FamRecord(node, Endpoint(), Epoch()));
            }

            var list = new List<ConnectionRecord>(connections / 4);
            for (; connections > 0 && !_failed; connections -= 4)
            {
                var server = Endpoint();
                var state = UInt64();
                var idle = UInt64();
                Check(state <= (ulong)ConnectionState.Reset && idle <= uint.MaxValue);
                list.Add(new ConnectionRecord(server, (ConnectionState)state, (uint)idle));
            }

            var termsAt = Instant.Zero;
            var terms = hasTerms && !_failed && !_reader.TryReadNil() ? ReadTerms(origin, out termsAt) : null;
            if (hasNotes && !_failed && !_reader.TryReadNil())
            {
                ReadNotes(list);
            }

            var opened = hasOpened ? UInt64() : 0;
            Check(opened <= long.MaxValue);

            return _failed ? null : new MappingEntry(
                new MappingRecord
                {
                    Mapping = mapping, ClientEndpoint = client, Ham = ham, AnchorEpoch = anchor, Revision = (uint)(revision >> 3), Connections = list, Explicit = terms,
                    Opened = (long)opened,
                },
                report,
                famRecords.ToImmutable()) { TermsAt = termsAt };
        }

        /// <summary>What application helpers know of connections.</summary>
        private void ReadNotes(List<ConnectionRecord> connections)
        {
            for (var left = Count(connections.Count * 2, 2); left > 0 && !_failed; left--)
            {
                var place = Place(connections.Count - 1);
                if (Check(_reader.TryReadBytes(out var octets) && octets.Length <= HelperNote.MaxLength))
                {
                    connections[place] = connections[place] with { Note = new HelperNote(octets) };
                }
            }
        }

        private ExplicitTerms ReadTerms(long origin, out Instant at)
        {
            var values = Count(6 + (ExplicitTerms.MaxFilters * 3));
            var (high, low) = (UInt64(), UInt64());
            at = Time(origin);
            var (lifetime, age, flags) = (UInt64(), UInt64(), UInt64());
            Check(values >= 6 && values % 3 == 0 && low <= uint.MaxValue && lifetime <= uint.MaxValue && flags <= 7);
            var filters = new List<RemoteFilter>();
            for (; values > 6 && !_failed; values -= 3)
            {
                var prefix = Check(_reader.TryReadBytes(out var bytes) && bytes.Length is 4 or 16) ? IpAddress.FromBytes(bytes) : default;
                var (length, port) = (UInt64(), UInt64());
                if (Check(length <= (prefix.IsIPv4 ? 32UL : 128UL) && port <= ushort.MaxValue))
                {
                    filters.Add(new RemoteFilter(new IpPrefix(prefix, (int)length), (ushort)port));
                }
            }

            return new ExplicitTerms
            {
                Nonce = new MappingNonce(high, (uint)low),
                LifetimeMilliseconds = (uint)lifetime,
                AgeMilliseconds = age,
                Published = (flags & 1) != 0,
                OutboundOnly = (flags & 2) != 0,
                Expected = (flags & 4) != 0,
                Filters = filters,
            };
        }

        private MappingId Mapping()
        {
            var value = UInt64();
            var mapping = new MappingId(Protocol(value & ~OfServer), Endpoint());
            if (_failed || (value & OfServer) == 0)
            {
                return mapping;
            }

            mapping = mapping with { Server = Endpoint() };
            Check(mapping.Protocol != TransportProtocol.Icmp && mapping.Server.Address.IsIPv4 == mapping.Masquerade.Address.IsIPv4);
            return mapping;
        }

        private TransportProtocol Protocol(ulong value)
        {
            Check(value is (ulong)TransportProtocol.Icmp or (ulong)TransportProtocol.Tcp or (ulong)TransportProtocol.Udp);
            return (TransportProtocol)value;
        }

        private TransportEndpoint Endpoint()
        {
            var address = Address();
            var port = UInt64();
            Check(!address.IsNone && port <= ushort.MaxValue);
            return new TransportEndpoint(address, (ushort)port);
        }

        private NodeId Node() => Place(_nodes.Length) is > 0 and var place ? new NodeId(_nodes[place - 1]) : NodeId.None;

        private IpAddress Address() => Place(_addresses.Length) is > 0 and var place ? _addresses[place - 1] : IpAddress.None;

        private Epoch Epoch() => Place(_epochs.Length) is > 0 and var place ? new Epoch(_epochs[place - 1]) : Masquerade.Core.Flow.Epoch.None;

        private int Place(int length)
        {
            var place = UInt64();
            return Check(place <= (ulong)length) ? (int)place : 0;
        }

        private Instant Time(long origin)
        {
            if (!Check(_reader.TryReadInt64(out var unix) && unix is >= 0 and < 1L << 42))
            {
                return Instant.Zero;
            }

            return new Instant(Math.Clamp(unix - origin, -(1L << 42), 1L << 42) * 1_000_000);
        }

        private ulong UInt64() => !_failed && Check(_reader.TryReadUInt64(out var value)) ? value : 0;

        /// <summary>The length of an array in groups of so many values.</summary>
        private int Count(int maximum, int group = 1) =>
            !_failed && Check(_reader.TryReadArrayHeader(out var count) && count <= maximum && count % group == 0) ? count / group : 0;

        private bool Check(bool ok)
        {
            _failed |= !ok;
            return !_failed;
        }
    }
}
