using System.Runtime.CompilerServices;

namespace Masquerade.Core.FastPath;

/// <summary>
/// A fixed number of records that never move, the first one at the beginning of a cache line. All are zero at first; the system gives memory when a record is first written, so a large table costs what is used of it and has no
/// need to grow.
/// </summary>
/// <typeparam name="T">The record; its size divides 64, or is 64.</typeparam>
internal sealed unsafe class LineTable<T>
    where T : unmanaged
{
    private const int CacheLine = 64;

    // Pinned, so that the address holds as long as this does.
    private readonly byte[] _memory;

    public LineTable(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        Length = length;
        _memory = GC.AllocateArray<byte>(checked((length * sizeof(T)) + CacheLine), pinned: true);
        Records = (T*)(((nuint)Unsafe.AsPointer(ref _memory[0]) + CacheLine - 1) & ~(nuint)(CacheLine - 1));
    }

    public int Length { get; }

    /// <summary>The first record, for inner loops that know their bounds. Whoever keeps it keeps the table as well.</summary>
    public T* Records { get; }

    public ref T this[int index]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Length, nameof(index));
            return ref Records[index];
        }
    }
}
