namespace Masquerade.Auth.Radius;

/// <summary>The attributes of a packet whose form has been checked; for <c>foreach</c>.</summary>
public readonly ref struct RadiusAttributes
{
    private readonly ReadOnlySpan<byte> _packet;

    internal RadiusAttributes(ReadOnlySpan<byte> packet) => _packet = packet;

    /// <summary>Starts before the first one.</summary>
    public Enumerator GetEnumerator() => new(_packet);

    /// <summary>Goes from one attribute to the next.</summary>
    public ref struct Enumerator
    {
        private readonly ReadOnlySpan<byte> _packet;
        private int _next;
        private int _at;

        internal Enumerator(ReadOnlySpan<byte> packet)
        {
            _packet = packet;
            _next = RadiusPacket.HeaderLength;
        }

        /// <summary>The attribute that <see cref="MoveNext"/> has come to.</summary>
        public readonly RadiusAttribute Current => new((RadiusAttributeType)_packet[_at], _packet.Slice(_at + 2, _packet[_at + 1] - 2), _at + 2);

        /// <summary>Goes on; false behind the last one.</summary>
        public bool MoveNext()
        {
            if (_next >= _packet.Length)
            {
                return false;
            }

            _at = _next;
            _next += _packet[_at + 1];
            return true;
        }
    }
}
