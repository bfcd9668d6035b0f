using System.Runtime.InteropServices;

namespace Masquerade.KernelAbi.Bpf;

/// <summary>An array map of the kernel's (BPF_F_MMAPABLE) as memory: what is written here a program reads, and the other way round, without a system call.</summary>
internal sealed unsafe partial class MappedArray<T> : IDisposable
    where T : unmanaged
{
    private const int ReadAndWrite = 3;
    private const int Shared = 1;
    private readonly nuint _length;
    private T* _first;

    /// <summary>Maps a map whose elements are as large as <typeparamref name="T"/>, a multiple of 8 octets.</summary>
    /// <exception cref="IOException">The kernel refuses.</exception>
    public MappedArray(int map, int count)
    {
        Count = count;
        _length = (nuint)count * (nuint)sizeof(T);
        var mapped = MappedMemory.mmap(null, _length, ReadAndWrite, Shared, map, 0);
        if (mapped == (void*)-1)
        {
            throw new IOException($"a map of {_length} octets of the kernel cannot be mapped: {Marshal.GetLastPInvokeErrorMessage()}");
        }

        _first = (T*)mapped;
    }

    /// <summary>How many elements there are.</summary>
    public int Count { get; }

    /// <summary>An element.</summary>
    public ref T this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count, nameof(index));
            return ref _first[index];
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_first is not null)
        {
            _ = MappedMemory.munmap(_first, _length);
            _first = null;
        }
    }
}

/// <summary>The calls that <see cref="MappedArray{T}"/> needs; a generic type can have none.</summary>
internal static unsafe partial class MappedMemory
{
    [LibraryImport("libc", SetLastError = true)]
    public static partial void* mmap(void* address, nuint length, int protection, int flags, int fd, nint offset);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int munmap(void* address, nuint length);
}
