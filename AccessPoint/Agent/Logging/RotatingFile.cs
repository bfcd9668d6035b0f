namespace Masquerade.AccessPoint.Agent.Logging;

/// <summary>
/// A file of lines that grows to a size, is then moved to <c>path.1</c>, <c>path.2</c> … and begun anew; the oldest goes. So at most <c>keep + 1</c> times the size is on the disk. Others may
/// move it away or cut it (logrotate): that is noticed before the next write. What could only be written in part is taken back.
/// </summary>
internal sealed class RotatingFile : IDisposable
{
    /// <summary>Owner writes, group reads: the records are personal data.</summary>
    private const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead;

    private readonly string _path;
    private readonly long _maxBytes;
    private readonly int _keep;
    private FileStream? _file;
    private long _length;

    /// <summary>Opens a file, to append.</summary>
    /// <param name="path">Where it is.</param>
    /// <param name="maxBytes">At most so many octets; a single write that is larger makes a file of its own.</param>
    /// <param name="keep">How many earlier files are kept.</param>
    public RotatingFile(string path, long maxBytes, int keep)
    {
        (_path, _maxBytes, _keep) = (path, maxBytes, keep);
        Open();
    }

    /// <summary>A file that only its owner may write and its group may read.</summary>
    public static FileStream OpenPrivate(string path, FileMode mode)
    {
        var options = new FileStreamOptions { Mode = mode, Access = FileAccess.ReadWrite, Share = FileShare.ReadWrite | FileShare.Delete, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = Mode;
        }

        return new FileStream(path, options);
    }

    /// <summary>Writes whole lines, all or nothing.</summary>
    /// <exception cref="IOException">The disk is full, or something else is wrong with it. The file is as it was before.</exception>
    public void Write(ReadOnlySpan<byte> lines)
    {
        var there = new FileInfo(_path);
        if (_file is null || !there.Exists || there.Length != _length)
        {
            Reopen();
        }

        if (_length > 0 && _length + lines.Length > _maxBytes)
        {
            Rotate();
        }

        try
        {
            _file!.Write(lines);
            _length += lines.Length;
        }
        catch (IOException)
        {
            TakeBack();
            throw;
        }
    }

    /// <summary>Opens the file by its name again: what it was has been moved.</summary>
    public void Reopen()
    {
        _file?.Dispose();
        _file = null;
        Open();
    }

    /// <inheritdoc/>
    public void Dispose() => _file?.Dispose();

    private void Open()
    {
        var file = OpenPrivate(_path, FileMode.OpenOrCreate);
        try
        {
            var length = file.Length;
            if (length > 0)
            {
                file.Position = length - 1;
                if (file.ReadByte() != '\n')
                {
                    // An agent died in the middle of a line.
                    file.Write("\n"u8);
                    length++;
                }
            }

            file.Position = length;
            (_file, _length) = (file, length);
        }
        catch
        {
            // Half a disk, or no file at all.
            file.Dispose();
            throw;
        }
    }

    private void Rotate()
    {
        _file?.Dispose();
        _file = null;
        if (_keep == 0)
        {
            File.Delete(_path);
        }

        for (var i = _keep; i > 0; i--)
        {
            var from = i == 1 ? _path : Numbered(i - 1);
            if (File.Exists(from))
            {
                File.Move(from, Numbered(i), overwrite: true);
            }
        }

        Open();
    }

    private string Numbered(int number) => $"{_path}.{number}";

    private void TakeBack()
    {
        try
        {
            _file!.SetLength(_length);
            _file.Position = _length;
        }
        catch (IOException)
        {
            // Opened anew before the next write, which begins a new line.
            _file!.Dispose();
            _file = null;
        }
    }
}
